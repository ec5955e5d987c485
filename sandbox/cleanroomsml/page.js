"use strict";
// Shows what /_sandbox/state and /_sandbox/requests say, anew every second. Text is set as text, never as markup.

const REFRESH = 1000;
const SHOWN = 200;
const SVG = "http://www.w3.org/2000/svg";
const KIND = {
  "training-dataset": "Training dataset", "audience-model": "Audience model",
  "configured-audience-model": "Configured model", "audience-generation-job": "Generation job",
  "audience-export-job": "Export job",
};
const OWN = new Set(["arn", "kind", "account", "region", "name", "status", "history", "metrics"]);

const byId = (id) => document.getElementById(id);
const make = (name, text, className) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const draw = (name, attributes, text) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
const mood = (status) =>
  /FAILED/.test(status) ? "bad" : /PENDING|PROGRESS/.test(status) ? "busy" : "good";
const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });
const seconds = (from, to) => `${((new Date(to) - new Date(from)) / 1000).toFixed(1)} s`;
const row = (...cells) => {
  const line = make("tr");
  line.append(...cells);
  return line;
};

function place({ account, region }) {
  const cell = make("td", undefined, "tight soft");
  cell.append(make("div", account), make("div", region));
  return cell;
}

function showResources(resources, chosen) {
  const rows = resources.map((each) => {
    const link = make("a", each.name);
    link.href = `#${encodeURIComponent(each.arn)}`;
    const name = make("td");
    name.append(link);
    const status = make("td", each.status, `tight ${mood(each.status)}`);
    if (mood(each.status) === "busy" && each.history.length) {
      status.append(make("span", ` ${seconds(each.history.at(-1)[1], Date.now())}`, "soft"));
    }
    const line = row(make("td", KIND[each.kind], "tight"), name, status,
      place(each), make("td", clock(each.createTime), "tight soft"));
    if (each.arn === chosen) line.className = "chosen";
    return line;
  });
  byId("resources").replaceChildren(...(rows.length ? rows : [empty(5, "None yet. Any AWS SDK can make some.")]));
}

function empty(columns, text) {
  const cell = make("td", text, "soft");
  cell.colSpan = columns;
  return row(cell);
}

function said(name, value) {
  if (/Time$/.test(name)) return `${new Date(value).toISOString().replace("T", " ").slice(0, 19)} UTC`;
  return typeof value === "object" ? JSON.stringify(value, null, 1) : value;
}

function steps(history) {
  const list = make("ol", undefined, "steps");
  history.forEach(([status, at], index) => {
    const next = history[index + 1];
    const lasting = next ? seconds(at, next[1]) : mood(status) === "busy" ? seconds(at, Date.now()) : clock(at);
    const item = make("li", `${status} `, mood(status));
    item.append(make("span", lasting, "soft"));
    list.append(item);
  });
  return list;
}

function showDetails(resource) {
  if (!resource) {
    byId("details").replaceChildren(make("p", "Choose a resource; a finished generation job has a curve.", "soft"));
    return;
  }
  const list = make("dl");
  for (const [name, value] of Object.entries(resource)) {
    if (OWN.has(name) || value === resource.arn) continue;
    list.append(make("dt", name), make("dd", said(name, value)));
  }
  const parts = [make("h2", `${KIND[resource.kind]}: ${resource.name}`), steps(resource.history)];
  if (resource.metrics) parts.push(...curve(resource.metrics));
  byId("details").replaceChildren(...parts, list, make("code", resource.arn));
}

// Relevance by audience size; sizes are one step apart each, since they often grow tenfold.
function curve(metrics) {
  const points = metrics.relevanceMetrics.map(({ audienceSize, score }) => ({ ...audienceSize, score }))
    .sort((one, other) => one.value - other.value);
  const [left, right, top, bottom] = [44, 404, 22, 172];
  const scores = points.map((each) => each.score);
  const [low, high] = [Math.min(0, ...scores), Math.max(...scores) > 1 ? 10 : 1];
  const x = (index) => (points.length < 2 ? (left + right) / 2 : left + 20 + index * (right - left - 40) / (points.length - 1));
  const y = (score) => bottom - (score - low) / (high - low) * (bottom - top);
  const plot = draw("svg", { viewBox: "0 0 420 214", role: "img", "aria-label": "Relevance by audience size", id: "curve" });
  for (let tick = 0; tick <= 4; tick += 1) {
    const score = low + (high - low) * tick / 4;
    plot.append(draw("line", { class: "grid", x1: left, x2: right, y1: y(score), y2: y(score) }));
    plot.append(draw("text", { x: left - 6, y: y(score) + 4, "text-anchor": "end" }, score.toFixed(2)));
  }
  plot.append(draw("polyline", { class: "curve", points: points.map((each, n) => `${x(n)},${y(each.score)}`).join(" ") }));
  points.forEach((each, n) => {
    const label = each.type === "PERCENTAGE" ? `${each.value} %` : each.value.toLocaleString("en");
    plot.append(draw("circle", { cx: x(n), cy: y(each.score), r: 3.5 }));
    plot.append(draw("text", { class: "value", x: x(n), y: y(each.score) - 9, "text-anchor": "middle" }, each.score.toFixed(2)));
    plot.append(draw("text", { x: x(n), y: bottom + 18, "text-anchor": "middle" }, label));
  });
  plot.append(draw("text", { x: (left + right) / 2, y: 208, "text-anchor": "middle" }, "audience size"));
  const recall = `Recall of held-out seeds in the best 20 %: ${metrics.recallMetric.toFixed(2)}`;
  return [make("p", `Relevance. ${recall}`, "soft"), plot];
}

function showRequests(requests, total) {
  const rows = requests.slice(-SHOWN).reverse().map((each) => {
    const spoilt = each.fault ? ` (fault: ${each.fault})` : "";
    const answer = `${each.status ?? "no answer"}${each.error ? ` ${each.error}` : ""}${spoilt}`;
    return row(make("td", clock(each.time), "tight soft"), make("td", each.operation ?? "unknown", "tight"),
      make("td", answer, each.status === 200 ? "good" : "bad"), make("td", each.account, "tight soft"),
      make("td", each.name ?? each.arn ?? ""), make("td", each.attempt ?? "", "tight soft"));
  });
  byId("requests").replaceChildren(...(rows.length ? rows : [empty(6, "None yet.")]));
  byId("q").textContent = total > SHOWN ? `Requests: the last ${SHOWN} of ${total}` : `Requests: ${total}`;
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function refresh() {
  try {
    const health = await fetched("health");
    const [{ resources }, { requests, total }] = await Promise.all([
      fetched("state"), fetched(`requests?after=${Math.max(0, health.requests - SHOWN)}`)]);
    const chosen = decodeURIComponent(location.hash.slice(1));
    resources.reverse();
    showResources(resources, chosen);
    showDetails(resources.find((each) => each.arn === chosen));
    showRequests(requests, total);
    byId("health").textContent = `${health.status}, profile ${health.profile}`;
  } catch (error) {
    byId("health").textContent = `No answer from the sandbox (${error.message}); trying again`;
  }
}

addEventListener("hashchange", refresh);
(async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, REFRESH);
})();
