// The shell: navigation, language, light and dark. A page is a module in pages/ with `mount`.

import { getJson } from "./shell/api.js";
import { h, showMessage } from "./shell/dom.js";
import { jobs } from "./shell/jobs.js";
import { chooseLanguage, loadStrings, t } from "./shell/strings.js";

const THEMES = ["auto", "light", "dark"];
const SYMBOLS = { auto: "◐", light: "○", dark: "●" };
let studio;
let leave = new AbortController();

function setTheme(theme) {
  localStorage.setItem("smalti.theme", theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function showPreferences(language) {
  const theme = localStorage.getItem("smalti.theme") ?? "auto";
  const themeButton = h("button", { class: "quiet", type: "button", title: t(`theme.${theme}`), "aria-label": t(`theme.${theme}`) }, SYMBOLS[theme]);
  themeButton.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
    showPreferences(language);
    document.querySelector("#preferences button").focus();
  });
  const select = h("select", { "aria-label": t("shell.language"), id: "language" },
    studio.languages.map((one) => h("option", { value: one, selected: one === language }, t(`language.${one}`))));
  select.addEventListener("change", async () => {
    localStorage.setItem("smalti.language", select.value);
    await showAll();
  });
  document.getElementById("preferences").replaceChildren(themeButton, select);
}

function showNavigation(current) {
  const links = studio.pages.map((name) =>
    h("li", {}, h("a", { href: `#${name}`, "aria-current": name === current ? "page" : null }, t(`${name}.title`))));
  const navigation = document.getElementById("navigation");
  navigation.setAttribute("aria-label", t("shell.pages"));
  navigation.replaceChildren(h("ul", {}, links));
}

async function showPage() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  if (name === "content") return; // the link that skips the navigation
  const page = studio.pages.includes(name) ? name : studio.pages[0];
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  showNavigation(page);
  document.title = `${t(`${page}.title`)} · smalti`;
  const root = h("div", { class: "page fade" },
    h("div", { class: "page-head" }, h("h1", {}, t(`${page}.title`)), h("p", {}, t(`${page}.about`))));
  document.getElementById("content").replaceChildren(root);
  try {
    const module = await import(`./pages/${page}.js`);
    await module.mount(root, { studio, signal, rest: rest.join("/") });
  } catch (error) {
    if (signal.aborted) return;
    root.append(h("p", { class: "fault", role: "alert" }, error.message));
    throw error;
  }
}

async function showAll() {
  const language = chooseLanguage(studio.languages);
  await loadStrings(language);
  document.getElementById("skip").textContent = t("shell.skip");
  showPreferences(language);
  await showPage();
}

setTheme(localStorage.getItem("smalti.theme") ?? "auto");
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("content").focus();
});
try {
  studio = await getJson("/api/studio");
  for (const job of await getJson("/api/jobs")) jobs.take(job); // of an earlier visit
  jobs.connect();
  await showAll();
  addEventListener("hashchange", showPage);
} catch (error) {
  showMessage(error.message, 60);
  throw error;
}
