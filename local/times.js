// How pages write a time: in the viewer's zone, which is named.
const two = (number) => String(number).padStart(2, "0");

// The zone of the viewer at that time, such as CET or GMT+5:30.
const zone = (then) => new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
  .formatToParts(then).find(({ type }) => type === "timeZoneName").value;

const localTime = (then) => {
  const date = [then.getFullYear(), two(then.getMonth() + 1), two(then.getDate())].join("-");
  const clock = [then.getHours(), then.getMinutes(), then.getSeconds()].map(two).join(":");
  return `${date} ${clock} ${zone(then)}`;
};

// Writes every time below `root`, with the original as its title; one that is shown in words has it as its title.
const localTimes = (root) => {
  for (const time of root.querySelectorAll("time:not([title])")) {
    const written = localTime(new Date(time.dateTime));
    time.title = "words" in time.dataset ? written : time.textContent;
    if (!("words" in time.dataset)) time.textContent = written;
  }
};
