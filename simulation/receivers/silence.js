// The matchers that the link names, and a silence of them in Alertmanager, as the form of its own page makes it.
const form = document.querySelector("form");
const said = document.getElementById("said");

const matchers = () => {
  const filter = new URLSearchParams(location.hash.split("?")[1] || "").get("filter") || "";
  return [...filter.matchAll(/(\w+)=("(?:\\.|[^"\\])*")/g)].map(([, name, value]) => ({
    name, value: JSON.parse(value), isRegex: false, isEqual: true,
  }));
};

const show = () => {
  const found = matchers();
  document.getElementById("matchers").textContent = found.map(({ name, value }) => `${name}="${value}"`).join("\n");
  form.hidden = found.length === 0;
  said.textContent = found.length ? "" : "Open the link Acknowledge or Silence of a message: it names what to silence.";
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { hours, author, comment } = form.elements;
  const now = Date.now();
  const silence = {
    matchers: matchers(),
    startsAt: new Date(now).toISOString(),
    endsAt: new Date(now + hours.value * 3600000).toISOString(),
    createdBy: author.value,
    comment: comment.value,
  };
  const answer = await fetch(form.action, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(silence),
  }).catch((error) => ({ ok: false, text: async () => String(error) }));
  said.textContent = `${answer.ok ? "Silenced" : "Alertmanager refused it"}: ${await answer.text()}`;
});

addEventListener("hashchange", show);
show();
