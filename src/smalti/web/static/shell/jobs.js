// All jobs of this client, kept up to date by one stream of events.

class Jobs extends EventTarget {
  constructor() {
    super();
    this.byId = new Map();
    this.previews = new Map();
  }

  /** Connect; a stream that ends is connected again, and only changes are sent anew. */
  connect() {
    this.source = new EventSource("/api/events");
    this.source.addEventListener("job", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("preview", (event) => {
      const preview = JSON.parse(event.data);
      this.previews.set(preview.id, preview);
      this.dispatchEvent(new CustomEvent(preview.id, { detail: { preview } }));
    });
    this.source.addEventListener("removed", (event) => {
      const { id } = JSON.parse(event.data);
      this.byId.delete(id);
      this.dispatchEvent(new CustomEvent("list"));
    });
    this.source.addEventListener("error", () => {
      if (this.source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => this.connect(), 2000); // an error status ends a stream for good
    });
  }

  take(job) {
    const before = this.byId.get(job.id);
    if (before && isOver(before) && !isOver(job)) return; // an answer that its own events overtook
    this.byId.set(job.id, job);
    if (isOver(job)) this.previews.delete(job.id);
    this.dispatchEvent(new CustomEvent(job.id, { detail: { job } }));
    if (before?.state !== job.state) this.dispatchEvent(new CustomEvent("list"));
  }

  /** Jobs of these tasks, the newest first. */
  list(tasks) {
    const found = [...this.byId.values()].filter((job) => tasks.includes(job.task));
    return found.sort((a, b) => b.asked - a.asked);
  }

  /**
   * Call back with ({job, preview}) now and at every change, until the signal aborts.
   * signal: an AbortSignal; pages get one that aborts when they are left.
   */
  watch(id, callback, signal) {
    this.addEventListener(id, (event) => callback(event.detail), { signal });
    const job = this.byId.get(id);
    if (job) callback({ job, preview: this.previews.get(id) });
  }

  /** Resolve when a job is over; reject with its line if it failed or was cancelled. */
  wait(id, signal) {
    return new Promise((resolve, reject) => {
      this.watch(id, ({ job }) => {
        if (!job || !isOver(job)) return;
        if (job.state === "done") resolve(job);
        else reject(new Error(job.error || job.state));
      }, signal);
    });
  }
}

/** Whether a job ended in any way. */
export function isOver(job) {
  return ["done", "failed", "cancelled"].includes(job.state);
}

export const jobs = new Jobs();
