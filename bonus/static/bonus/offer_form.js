// The form of an offer: only the fields of its kind, and the worked example beside them for the numbers typed in.

const PAUSE = 400;

document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("offer_form");
    const kind = form?.elements.kind;
    if (!kind) return;

    // A field that its kind does not have is not sent, so that it says what such an offer says by itself.
    function showFields() {
        for (const input of form.querySelectorAll("[data-kinds]")) {
            const has = input.dataset.kinds.split(" ").includes(kind.value);
            input.disabled = !has;
            input.closest(".field-line").hidden = !has;
        }
        for (const row of form.querySelectorAll(".form-row")) {
            row.hidden = [...row.children].every((line) => line.hidden);
        }
    }

    const place = document.querySelector("#offer-examples[data-address]");
    let waiting;
    let newest = 0;
    async function work() {
        const mine = ++newest;
        const answer = await fetch(place.dataset.address, { method: "POST", body: new FormData(form) }).catch(() => null);
        if (answer?.ok && mine === newest) place.innerHTML = await answer.text();
    }

    showFields();
    kind.addEventListener("change", showFields);
    if (!place) return;
    form.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(work, PAUSE);
    });
});
