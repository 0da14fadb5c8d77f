// A job: its place in the queue, progress, time left, cancel, and its one line if it fails.

import { deleteJob } from "../shell/api.js";
import { h, showMessage } from "../shell/dom.js";
import { isOver, jobs } from "../shell/jobs.js";
import { formatSeconds, t, tOr } from "../shell/strings.js";

function describe(job) {
  if (job.stopping) return t("job.stopping");
  if (job.state === "waiting") {
    const wait = job.wait_seconds === null ? "" : t("job.begins_in", { time: formatSeconds(job.wait_seconds) });
    return `${t("job.queued", { position: job.position })} ${wait}`;
  }
  if (job.state === "running") {
    const { activity = "", done = 0, total = 0, detail = "" } = job.progress ?? {};
    if (!job.progress) return t("job.starting");
    const step = detail.match(/^(\w+) (\d+)\/(\d+)$/);
    const counts = step ? `${tOr(`unit.${step[1]}`, step[1])} ${step[2]}/${step[3]}` : detail;
    return [tOr(`activity.${activity}`, activity), total > 1 ? `${done}/${total}` : "", counts].filter(Boolean).join(" · ");
  }
  if (job.state === "failed") return job.error;
  if (job.state === "cancelled") return t("job.cancelled");
  return t("job.done", { time: formatSeconds(job.ended - job.begun) });
}

/**
 * Show a job. onUpdate({job, preview}) is called at every change, so that a page can draw it.
 * signal: the page's AbortSignal.
 */
export function makeJobView(id, { signal, onUpdate = () => {} }) {
  const words = h("span", { role: "status" });
  const left = h("span", { class: "soft small" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("job.progress") });
  const cancel = h("button", { type: "button" }, t("job.cancel"));
  cancel.addEventListener("click", () => deleteJob(id).catch((error) => showMessage(error.message)));
  const element = h("div", { class: "job", "data-job": id }, h("div", { class: "line" }, words, h("span", { class: "row" }, left, cancel)), bar);
  let current = null;
  jobs.watch(id, (change) => {
    current = change.job ?? current;
    if (!current) return;
    const over = isOver(current);
    words.textContent = describe(current);
    words.classList.toggle("fault", current.state === "failed");
    element.dataset.state = current.state;
    bar.hidden = cancel.hidden = over;
    cancel.disabled = current.stopping;
    if (current.progress) bar.value = current.progress.fraction;
    else bar.removeAttribute("value");
    left.textContent = !over && current.seconds_left !== null && current.seconds_left !== undefined
      ? t("job.left", { time: formatSeconds(current.seconds_left) }) : "";
    onUpdate({ job: current, preview: change.preview });
  }, signal);
  return { element };
}
