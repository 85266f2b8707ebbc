"use strict";
// Swagger UI on the document of both doors. A call of the game door is signed here with the secret that was pasted, by the
// browser's own HMAC; the secret itself is put into no request.

const DOOR = "/api/game/v1/";
const field = (id) => document.getElementById(id);
const bytes = (text) => new TextEncoder().encode(text);

async function signature(secret, message) {
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const made = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(message)));
  return Array.from(made, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function signed(request) {
  const path = new URL(request.url, location.href).pathname;
  const secret = field("secret").value.trim();
  if (!path.startsWith(DOOR) || !secret || !crypto.subtle) return request;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const body = request.body ?? "";
  request.headers["X-Provider"] = field("provider").value.trim() || field("provider").placeholder;
  request.headers["X-Timestamp"] = timestamp;
  request.headers["X-Signature"] = await signature(secret, `POST\n${path}\n${timestamp}\n${body}`);
  return request;
}

function tell() {
  if (!crypto.subtle) field("signs").textContent = "This browser signs on https and on localhost only.";
  else field("signs").textContent = field("secret").value.trim() ? "Calls are signed." : "Calls are not signed.";
}

field("signing").addEventListener("input", tell);
field("signing").addEventListener("submit", (event) => event.preventDefault());
tell();
SwaggerUIBundle({
  url: field("swagger-ui").dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  requestInterceptor: signed,
  onComplete: () => field("servers")?.setAttribute("aria-label", "Server"),
});
