// Shows every time below `root` in the viewer's zone, with the original as its title.
const localTimes = (root) => {
  for (const time of root.querySelectorAll("time:not([title])")) {
    time.title = time.textContent;
    time.textContent = new Date(time.dateTime).toLocaleString();
  }
};

