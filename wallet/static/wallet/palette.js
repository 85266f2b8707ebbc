// The palette: Ctrl K anywhere, then a name. Enter opens the first result, also one that is still on its way.
const PALETTE_PAUSE_MS = 150;

function openPalette(palette) {
    const field = palette.querySelector("input");
    const place = palette.querySelector("#palette-results");
    let found = { term: "", answer: Promise.resolve() };
    let timer;

    async function fill(term) {
        const answer = await fetch(`${palette.dataset.address}?${new URLSearchParams({ extended: 1, q: term })}`);
        // Who was logged out meanwhile is led to the log-in.
        if (answer.redirected) window.location.reload();
        else if (answer.ok && found.term === term) place.innerHTML = await answer.text();
    }

    function look() {
        clearTimeout(timer);
        const term = field.value.trim();
        if (term === found.term) return found.answer;
        if (term === "") place.replaceChildren();
        found = { term, answer: term === "" ? Promise.resolve() : fill(term) };
        return found.answer;
    }

    field.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(look, PALETTE_PAUSE_MS);
    });
    palette.querySelector("form").addEventListener("submit", async (event) => {
        event.preventDefault();
        await look();
        place.querySelector("a")?.click();
    });
    palette.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
            // Else it would first empty the field, and only then close.
            event.preventDefault();
            palette.close();
        }
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const stops = [field, ...place.querySelectorAll("a")];
        stops[stops.indexOf(document.activeElement) + step]?.focus();
    });
    palette.addEventListener("click", ({ target }) => target === palette && palette.close());
}

document.addEventListener("DOMContentLoaded", () => {
    const palette = document.getElementById("palette");
    if (!palette) return;
    openPalette(palette);
    document.addEventListener("keydown", (event) => {
        if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        if (!palette.open) palette.showModal();
        palette.querySelector("input").select();
    });
});

// What is shown once is copied with one press.
document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("code").innerText;
    const before = button.textContent;
    try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
    } catch {
        // Without TLS browsers lend no clipboard: what is marked can be copied by hand.
        window.getSelection().selectAllChildren(button.parentElement.querySelector("code"));
        button.textContent = "Marked: press Ctrl C";
    }
    setTimeout(() => { button.textContent = before; }, 2000);
});

// On a telephone the head of a table is not seen: each cell then says itself what it is (admin.css).
function labelCells(table) {
    const names = [...table.querySelectorAll("thead tr:last-child th")].map((head) => head.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr, tfoot tr")) {
        if (row.cells.length !== names.length) continue;
        [...row.cells].forEach((cell, place) => { if (names[place]) cell.dataset.label = names[place]; });
    }
}

document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("table.ledger")) {
        labelCells(table);
        for (const body of table.tBodies) new MutationObserver(() => labelCells(table)).observe(body, { childList: true });
    }
});

// Django's question marks beside a choice of many tell their text to readers of screens, as pictures may.
window.addEventListener("load", () => setTimeout(() => {
    for (const mark of document.querySelectorAll(".help-tooltip")) mark.setAttribute("role", "img");
}));
