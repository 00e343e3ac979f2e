// Times in the viewer's zone, and what changes while the page is open.
"use strict";
(() => {
  const every = 2000; // milliseconds between two looks
  const format = (options) => new Intl.DateTimeFormat(undefined, options);
  const full = format({ dateStyle: "medium", timeStyle: "medium" });
  const day = format({ dateStyle: "medium" });
  const clock = format({ timeStyle: "short" });
  const seconds = format({ timeStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  const texts = {
    ago: (date) => {
      const away = Math.round((date - Date.now()) / 1000);
      const [unit, length] = units.find(([, length]) => Math.abs(away) >= length) ?? units[3];
      return Math.abs(away) < 3 ? "just now" : relative.format(Math.trunc(away / length), unit);
    },
    clock: (date) => clock.format(date),
    short: (date) => (day.format(date) === day.format() ? seconds : full).format(date),
  };

  // Each time has all of it as its title, and what the server wrote, in UTC.
  const localize = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      const own = texts[time.dataset.as](date);
      time.title ||= `${full.format(date)} · ${time.textContent}`;
      if (time.textContent !== own) time.textContent = own;
    }
    for (const input of root.querySelectorAll("input[type=datetime-local]")) {
      if (!input.value || input.dataset.local) continue;
      const date = new Date(input.value + "Z");
      date.setMinutes(date.getMinutes() - date.getTimezoneOffset());
      input.value = date.toISOString().slice(0, 16);
      input.dataset.local = "yes";
    }
    for (const zone of root.querySelectorAll("[data-zone]")) {
      zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
    }
  };

  // Forms are sent in UTC, whatever the viewer's zone.
  document.addEventListener("formdata", (event) => {
    for (const input of event.target.querySelectorAll("input[type=datetime-local]")) {
      const date = new Date(input.value);
      if (!Number.isNaN(date.valueOf())) event.formData.set(input.name, date.toISOString().slice(0, 16));
    }
  });

  const shown = new Map(); // what the server wrote of each part, by its id
  for (const part of document.querySelectorAll("[data-live]")) shown.set(part.id, part.outerHTML);
  localize(document);

  // A part is replaced only when it has changed; focus, and details that are
  // open, stay.
  const replace = (part) => {
    const old = document.getElementById(part.id);
    if (!old || shown.get(part.id) === part.outerHTML) return;
    shown.set(part.id, part.outerHTML);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const scrolled = [...old.querySelectorAll(".scroll[id]")].map((box) => [box.id, box.scrollLeft]);
    const open = [...old.querySelectorAll("details[open][id]")].map((details) => details.id);
    const fresh = document.adoptNode(part);
    localize(fresh);
    old.replaceWith(fresh);
    for (const [id, left] of scrolled) document.getElementById(id)?.scrollTo({ left });
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
  };

  const page = new URL(location.href);
  page.searchParams.delete("done");
  page.searchParams.set("live", "");
  let tag = "";
  const look = async () => {
    if (document.hidden) return stale.hidden;
    const answer = await fetch(page, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", redirect: "error" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") ?? "";
      const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts.querySelectorAll("[data-live]")) replace(part);
    }
    localize(document);
    return answer.ok || answer.status === 304;
  };
  const stale = document.getElementById("stale");
  const loop = () => look().catch(() => false).then((current) => {
    stale.hidden = current;
    setTimeout(loop, every);
  });
  if (shown.size > 0) setTimeout(loop, every);
})();
