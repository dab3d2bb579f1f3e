"use strict";
// Every chart is on the page as a drawing already. Where scripts run, it is replaced by a live one that fits the
// width of its column and shows the readings on touch; printing goes back to the drawing.
(function () {
  function fitted(spec, width, square) {
    const own = JSON.parse(JSON.stringify(spec));
    own.width = "container";
    own.autosize = { type: "fit-x", contains: "padding" };
    own.background = null;
    if (square) own.height = Math.max(180, Math.min(own.height, width - 110));
    own.config.font = getComputedStyle(document.body).fontFamily;
    own.config.title = Object.assign({}, own.config.title, { font: own.config.font, limit: width });
    own.title.text = wrapped(own.title.text, Math.floor(width / 8.5));
    const columns = Math.floor((width - 50) / (7.2 * own.usermeta.longest + 32));
    own.config.legend = Object.assign({}, own.config.legend, { columns: Math.max(1, Math.min(6, columns)) });
    return own;
  }

  function wrapped(text, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const longer = (lines[lines.length - 1] + " " + word).trim();
      if (longer.length <= most || !lines[lines.length - 1]) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }

  function live(figure) {
    const place = figure.querySelector(".live");
    const spec = JSON.parse(figure.querySelector("script").textContent);
    figure.classList.add("is-live");
    const width = place.clientWidth;
    return vegaEmbed(place, fitted(spec, width, figure.dataset.square === "true"), {
      renderer: "svg",
      actions: false,
      ast: true,
      tooltip: { theme: "custom" },
    }).then(
      () => { figure.dataset.state = "live"; },
      (problem) => {
        figure.classList.remove("is-live");
        figure.dataset.state = "drawing";
        console.error(problem);
      },
    );
  }

  const figures = Array.from(document.querySelectorAll("figure[data-chart]"));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        live(entry.target);
      }
    }
  }, { rootMargin: "600px" });
  figures.forEach((figure) => seen.observe(figure));

  function save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-save]");
    if (!button) return;
    const figure = button.closest("figure");
    if (button.dataset.save === "svg") {
      save(figure.id + ".svg", figure.querySelector(".drawing svg").outerHTML, "image/svg+xml");
    } else {
      save(figure.id + ".vl.json", figure.querySelector("script").textContent, "application/json");
    }
  });

  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = Array.from(document.querySelectorAll("details:not([open]):not(#readings *):not(footer *):not(.inline)"));
    closed.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
