// Times are in UTC. Pointed at, each also says what it is where the operator sits, in the same form.
document.addEventListener("mouseover", ({ target }) => {
    const time = target.closest("time.utc");
    if (!time || time.dataset.here) return;
    const at = new Date(time.dateTime);
    const here = new Date(at - at.getTimezoneOffset() * 60_000);
    time.dataset.here = here.toISOString().slice(0, 19).replace("T", " ");
    time.title = `${time.title}\n${time.dataset.here} here`;
});

// The first lines of a provider's file are shown as they will be read, before the whole of it is sent. A day that was
// typed changes nothing about them: were they taken away as its field is left, the button would move from under a click.
const HEAD_BYTES = 65536;
document.addEventListener("change", async ({ target }) => {
    const form = target.closest("form[data-first-lines]");
    if (!form || ![form.elements.file, form.elements.provider].includes(target)) return;
    const [file] = form.elements.file.files;
    const place = form.querySelector("[data-lines]");
    place.replaceChildren();
    if (!file || !form.elements.provider.value) return;
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    body.append("provider", form.elements.provider.value);
    body.append("head", file.slice(0, HEAD_BYTES), file.name);
    const answer = await fetch(form.dataset.firstLines, { method: "POST", body });
    if (answer.ok) place.innerHTML = await answer.text();
});

// A grant list is carried out part by part while somebody looks on; whoever comes later goes on where it stopped.
const PAUSE_WITHOUT_PROGRESS = 2000;
async function carryOut(form) {
    const answered = () => document.querySelector("[data-progress] progress")?.value;
    while (form) {
        const before = answered();
        const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
        if (answer?.ok) {
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            const part = page.querySelector("[data-progress]");
            if (!part) return location.reload();
            document.querySelector("[data-progress]").replaceWith(part);
            form = part.querySelector("form[data-carry-out]");
        }
        if (answered() === before) await new Promise((resolve) => setTimeout(resolve, PAUSE_WITHOUT_PROGRESS));
    }
}
document.addEventListener("DOMContentLoaded", () => carryOut(document.querySelector("form[data-carry-out]")));

// What a form would come to is asked of the books while it is filled in, before it is sent.
let foreseen = 0;
document.addEventListener("input", ({ target }) => {
    const form = target.closest("form[data-foresight]");
    if (!form) return;
    const mine = ++foreseen;
    setTimeout(async () => {
        if (mine !== foreseen) return;
        const body = new FormData(form);
        body.append("foresee", "fragment");
        const answer = await fetch(location.href, { method: "POST", body });
        // A later answer may have come before this one.
        if (answer.ok && mine === foreseen) form.querySelector("[data-place]").innerHTML = await answer.text();
    }, 250);
});

// The clock beside a field of a time offers hours as we write them.
addEventListener("load", () => {
    if (!window.DateTimeShortcuts) return;
    DateTimeShortcuts.clockHours.default_ = [["Now", -1], ["00:00", 0], ["06:00", 6], ["12:00", 12], ["18:00", 18]];
});
