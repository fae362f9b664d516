// The page's signs, drawn from the same file as those in the template.

const SVG = "http://www.w3.org/2000/svg";
const file = new URL("./icons.svg", import.meta.url).pathname;

export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  made.append(document.createElementNS(SVG, "use"));
  made.firstChild.setAttribute("href", `${file}#${name}`);
  return made;
}
