// The matchers that the link names, and a silence of them in Alertmanager, as the form of its own page makes it.
const section = document.getElementById("new");
const form = section.querySelector("form");
const said = document.getElementById("said");

const matchers = () => {
  const [path, query] = location.hash.split("?");
  const filter = path === "#/silences/new" ? new URLSearchParams(query || "").get("filter") || "" : "";
  return [...filter.matchAll(/(\w+)=("(?:\\.|[^"\\])*")/g)].map(([, name, value]) => ({
    name, value: JSON.parse(value), isRegex: false, isEqual: true,
  }));
};

const show = () => {
  const found = matchers();
  const page = found.some(({ name, value }) => name === "alertname" && value === "PageUnresolved");
  document.getElementById("matchers").textContent = found.map(({ name, value }) => `${name}="${value}"`).join("\n");
  for (const words of section.querySelectorAll("[data-of]")) words.hidden = (words.dataset.of === "page") !== page;
  form.querySelector("button").textContent = page ? "Acknowledge" : "Silence";
  section.hidden = found.length === 0;
  document.getElementById("none").hidden = found.length > 0 || !location.hash.startsWith("#/silences/new");
  said.textContent = "";
};

const refresh = async () => {
  const fresh = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
  document.getElementById("lists").replaceWith(document.adoptNode(fresh.getElementById("lists")));
  localTimes(document);
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { hours, author, comment } = form.elements;
  const now = Date.now();
  const end = new Date(now + hours.value * 3600000);
  const silence = {
    matchers: matchers(),
    startsAt: new Date(now).toISOString(),
    endsAt: end.toISOString(),
    createdBy: author.value,
    comment: comment.value,
  };
  const answer = await fetch(form.action, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(silence),
  }).catch((error) => ({ ok: false, text: async () => String(error) }));
  said.textContent = answer.ok
    ? `Muted until ${localTime(end)}. The silence is listed below.`
    : `Alertmanager refused it: ${await answer.text()}`;
  if (answer.ok) await refresh().catch(() => {});
});

document.addEventListener("click", async ({ target }) => {
  if (!target.dataset.ends) return;
  target.disabled = true;
  const answer = await fetch(target.dataset.ends, { method: "DELETE" }).catch(() => ({ ok: false }));
  if (answer.ok) await refresh().catch(() => {});
  else target.replaceWith("Alertmanager did not end it");
});

addEventListener("hashchange", show);
show();
localTimes(document);
