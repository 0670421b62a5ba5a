// The language that a reader chose in one group of tabs is chosen in all, on this page and the next.
(function () {
    "use strict";
    const KEY = "kmodlab-language";
    const choices = (language) => document.querySelectorAll(".tabs > input.choose-" + language);
    const choose = (language) => choices(language).forEach((input) => { input.checked = true; });
    let chosen = null;
    try { chosen = localStorage.getItem(KEY); } catch (error) { /* No storage: nothing is kept. */ }
    if (chosen === "rust" || chosen === "c") { choose(chosen); }
    for (const language of ["rust", "c"]) {
        choices(language).forEach((input) => input.addEventListener("change", () => {
            choose(language);
            try { localStorage.setItem(KEY, language); } catch (error) { /* As above. */ }
        }));
    }
})();
