// The studio's words, in the reader's language.

let table = {};
let fallback = {};

async function fetchTable(language) {
  const response = await fetch(`/strings/${language}.json`);
  return response.ok ? response.json() : {};
}

/** The language of the last visit, or the browser's. */
export function chooseLanguage(languages) {
  const wanted = localStorage.getItem("smalti.language") ?? navigator.language ?? "en";
  return languages.find((language) => wanted.toLowerCase().startsWith(language)) ?? "en";
}

/** Load a language; English stands in for words that it lacks. */
export async function loadStrings(language) {
  fallback = await fetchTable("en");
  table = language === "en" ? fallback : await fetchTable(language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
}

/** The words of a key, with {name} replaced: t("job.queued", {position: 3}). */
export function t(key, values = {}) {
  const words = table[key] ?? fallback[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

/** The words of a key, or something else where there are none. */
export function tOr(key, other) {
  return table[key] ?? fallback[key] ?? other;
}

/** Sentences one after another; the server's may lack their period. */
export function joinSentences(...sentences) {
  return sentences.filter(Boolean).map((one) => one.replace(/([^.。!?])$/, "$1.")).join(" ");
}

/** A number of seconds as one reads it. */
export function formatSeconds(seconds) {
  if (seconds < 1) return t("time.moment");
  if (seconds < 90) return t("time.seconds", { n: Math.round(seconds) });
  return t("time.minutes", { n: Math.round(seconds / 60) });
}

/** A number of bytes as one reads it. */
export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
