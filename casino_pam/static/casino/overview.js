// The days of the house, a bar each: today's and that of the same weekday a week ago stand out.
(() => {
  "use strict";
  const WEEK = 7;
  const { labels, series } = JSON.parse(document.getElementById("overview-days").textContent);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => document.documentElement.classList.contains("dark");

  function shades() {
    const plain = color(isDark() ? "--color-base-600" : "--color-base-300");
    const marked = color(isDark() ? "--color-primary-400" : "--color-primary-600");
    return labels.map((_, place) => (place === labels.length - 1 || place === labels.length - 1 - WEEK ? marked : plain));
  }

  function paint(chart) {
    const text = color(isDark() ? "--color-base-300" : "--color-base-600");
    chart.data.datasets[0].backgroundColor = shades();
    for (const axis of Object.values(chart.options.scales)) axis.ticks.color = text;
    chart.options.scales.y.grid.color = color(isDark() ? "--color-base-800" : "--color-base-200");
    chart.update();
  }

  const charts = [...document.querySelectorAll("canvas[data-figure]")].map((canvas) => new Chart(canvas, {
    type: "bar",
    data: { labels, datasets: [{ data: series[canvas.dataset.figure].map(Number) }] },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      plugins: { legend: { display: false } },
      scales: {
        x: { grid: { display: false }, ticks: { maxTicksLimit: 4, maxRotation: 0, callback: (place) => labels[place].slice(5) } },
        y: { ticks: { maxTicksLimit: 5, callback: (value) => Intl.NumberFormat("en", { notation: "compact" }).format(value) } },
      },
    },
  }));
  const repaint = () => charts.forEach(paint);
  repaint();
  new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
