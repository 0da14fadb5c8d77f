// The HTTP interface. Every error is an Error with the server's one line.

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer; is smalti serve running?");
  }
  const body = await response.json().catch(() => ({ error: response.statusText }));
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

/** GET a path as JSON. */
export function getJson(path) {
  return request(path);
}

/** Ask for a job; resolves to it as soon as it is queued. */
export function addJob(task, values) {
  const body = JSON.stringify({ task, arguments: values });
  return request("/api/jobs", { method: "POST", body, headers: { "content-type": "application/json" } });
}

/** Cancel a job, or remove one that is over. */
export function deleteJob(id) {
  return request(`/api/jobs/${id}`, { method: "DELETE" });
}

/** Upload a file or Blob; resolves to {upload, name, bytes, height, width}. */
export function uploadFile(file, name = file.name ?? "picture.png", kind = "picture") {
  const query = new URLSearchParams({ name, kind });
  return request(`/api/uploads?${query}`, {
    method: "POST", body: file, headers: { "content-type": "application/octet-stream" },
  });
}

/** Upload a folder of pictures as a zip; resolves to {upload, name, bytes}. */
export function uploadArchive(content, name) {
  return request(`/api/archives?${new URLSearchParams({ name })}`, {
    method: "POST", body: content, headers: { "content-type": "application/octet-stream" },
  });
}

/** Remove a run that the server keeps. */
export function deleteRun(name) {
  return request(`/api/runs/${encodeURI(name)}`, { method: "DELETE" });
}

/** The address of a file of a job's result. */
export function fileUrl(job, name, download = false) {
  return `/api/jobs/${job.id}/files/${encodeURI(name)}${download ? "?download" : ""}`;
}

/** The form of a task for a model: its fields with defaults. */
export function getForm(task, model) {
  return getJson(`/api/forms/${task}${model ? `?model=${encodeURIComponent(model)}` : ""}`);
}
