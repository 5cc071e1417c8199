// Shows the images of a class, or only the right or the wrong ones. Without it all are shown.
for (const gallery of document.querySelectorAll(".gallery")) {
  const filter = gallery.querySelector(".filter");
  if (!filter) continue;
  const cards = [...gallery.querySelectorAll(".card")];
  const buttons = [...filter.querySelectorAll("button")];
  const group = filter.querySelector("select"), count = filter.querySelector("output");
  let kind = "all";
  const show = () => {
    let n = 0;
    for (const card of cards) {
      const fits = (kind === "all" || card.dataset.kind === kind)
        && (group.value === "all" || card.dataset.group === group.value);
      card.hidden = !fits;
      n += fits;
    }
    for (const each of buttons) each.setAttribute("aria-pressed", each.value === kind);
    count.textContent = n === 1 ? "1 image" : n + " images";
  };
  for (const each of buttons) each.addEventListener("click", () => { kind = each.value; show(); });
  group.addEventListener("change", show);
  filter.hidden = false;
  show();
}
