// Shows one board at a time, draws its graphs when they come into view, and writes every time in the viewer's zone.
"use strict";

// A time as plotly takes it, which knows no zones: what the clock of the viewer showed then.
const onClock = (milliseconds) => {
  const then = new Date(milliseconds);
  return new Date(milliseconds - then.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
};

localTimes(document);

const theme = () => {
  const style = getComputedStyle(document.documentElement);
  const grid = style.getPropertyValue("--grid").trim();
  return {
    "font.color": style.getPropertyValue("--quiet").trim(),
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "xaxis.gridcolor": grid,
    "yaxis.gridcolor": grid,
    "hoverlabel.bgcolor": style.getPropertyValue("--panel").trim(),
    "hoverlabel.font.color": style.getPropertyValue("--text").trim(),
  };
};

const draw = async (plot) => {
  const figure = JSON.parse(plot.querySelector("script").textContent);
  for (const trace of figure.data) {
    const places = trace.type === "heatmap" ? trace.z[0] : trace.y;
    trace.x = places.map((_, place) => onClock(trace.x0 + place * trace.dx));
    delete trace.x0;
    delete trace.dx;
  }
  for (const shape of figure.layout.shapes ?? []) {
    if (shape.xref === "x") [shape.x0, shape.x1] = [shape.x0, shape.x1].map(onClock);
  }
  figure.layout.xaxis.hoverformat += ` ${zone(new Date(figure.layout.xaxis.range[1]))}`;
  figure.layout.xaxis.range = figure.layout.xaxis.range.map(onClock);
  await Plotly.newPlot(plot, figure.data, figure.layout, { responsive: true, displayModeBar: false });
  await Plotly.relayout(plot, theme());
};

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target);
  }
}, { rootMargin: "400px" });
for (const plot of document.querySelectorAll(".plot")) seen.observe(plot);

// A click on a series' colour hides it, and shows it again.
document.addEventListener("click", ({ target }) => {
  if (target.dataset.series === undefined) return;
  const hidden = target.closest("tr").classList.toggle("off");
  const plot = target.closest(".graph").querySelector(".plot");
  const traces = plot.data.flatMap(({ meta }, index) => (meta === Number(target.dataset.series) ? [index] : []));
  if (traces.length) Plotly.restyle(plot, { visible: !hidden }, traces);
});

// Only one description is open at a time, and a click elsewhere closes it.
document.addEventListener("click", ({ target }) => {
  for (const help of document.querySelectorAll(".help[open]")) if (!help.contains(target)) help.open = false;
});

// The address after # names a board, and a row of it after a slash.
const boards = [...document.querySelectorAll("main")];
const show = () => {
  const place = decodeURIComponent(location.hash.slice(1));
  const board = boards.find(({ dataset }) => dataset.board === place.split("/")[0]) ?? boards[0];
  for (const other of boards) other.hidden = other !== board;
  for (const link of document.querySelectorAll("nav a")) {
    link.classList.toggle("here", link.getAttribute("href") === `#${board.dataset.board}`);
  }
  const row = [...board.querySelectorAll("section")].find(({ dataset }) => dataset.row === place);
  if (row) row.scrollIntoView();
  else scrollTo(0, 0);
};
addEventListener("hashchange", show);
show();
