// New messages are added above those that are there, which stay as they are: one that is read does not close, even
// when it is older than those that the page lists. Nothing is sent while nothing is new.
let known = "";

const refresh = async () => {
  const answer = await fetch(location.href, { cache: "no-store", headers: { "If-None-Match": known } });
  if (!answer.ok) return; // 304 is none
  known = answer.headers.get("ETag");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["heartbeat", "incidents", "count"]) {
    const shown = document.getElementById(id);
    const now = document.adoptNode(fresh.getElementById(id));
    localTimes(now);
    if (shown.innerHTML !== now.innerHTML) shown.replaceWith(now);
  }
  const list = document.getElementById("messages");
  const wanted = [...fresh.querySelectorAll("#messages > article")];
  const ids = new Set(wanted.map((article) => article.id));
  for (const article of [...list.children]) {
    if (!ids.has(article.id) && !article.querySelector("details[open]")) article.remove();
  }
  for (const article of wanted.reverse()) {
    if (document.getElementById(article.id)) continue;
    list.prepend(document.adoptNode(article));
    localTimes(list.firstElementChild);
  }
};

localTimes(document);
setInterval(() => refresh().catch(() => {}), 5000);
