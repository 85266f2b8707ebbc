// Times are in UTC. Pointed at, each also says what it is where the operator sits.
document.addEventListener("mouseover", ({ target }) => {
    const time = target.closest("time.utc");
    if (!time || time.dataset.here) return;
    time.dataset.here = new Date(time.dateTime).toLocaleString();
    time.title = `${time.title}\n${time.dataset.here} here`;
});
