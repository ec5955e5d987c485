"use strict";
// The scenario by the AWS SDK for JavaScript v2; each result as JSON on standard output, dates marked as such.

const AWS = require("aws-sdk");

const scenario = JSON.parse(process.env.SCENARIO);
const known = JSON.parse(process.env.KNOWN);
const client = new AWS.CleanRoomsML({ endpoint: process.env.AWS_ENDPOINT_URL });

const filled = (value) => {
  if (typeof value === "string") return value.replace(/\$(\w+)/g, (all, name) => known[name] ?? all);
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  if ("$date" in value) return new Date(value.$date);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each)]));
};

const told = (value) => {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(told);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, told(each)]));
};

const at = (value, path) => path.split(".").reduce((part, name) => part?.[name], value);

const merged = (pages) => {
  const list = Object.keys(pages[0]).find((name) => Array.isArray(pages[0][name]));
  return { [list]: pages.flatMap((page) => page[list]) };
};

const ask = async (step) => {
  const method = step.call[0].toLowerCase() + step.call.slice(1);
  const request = client[method](filled(step.with));
  try {
    let response = (await request.promise()).$response;
    const pages = [response.data];
    while (step.pages && response.hasNextPage()) {
      response = (await response.nextPage().promise()).$response;
      pages.push(response.data);
    }
    const output = step.pages ? merged(pages) : { ...response.data };
    return { output, status: response.httpResponse.statusCode, requestId: response.requestId };
  } catch (error) {
    const { code, message, statusCode, requestId, quotaName, quotaValue } = error;
    return { error: { code, message, quotaName, quotaValue }, status: statusCode, requestId };
  }
};

const done = (step, result) => {
  const [path, wanted] = step.until;
  return (path === "error" ? result.error?.code : at(result.output, path)) === wanted;
};

const main = async () => {
  for (const step of scenario) {
    let result = await ask(step);
    for (let turn = 0; step.until && !done(step, result) && turn < 600; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      result = await ask(step);
    }
    for (const [name, path] of Object.entries(step.keep ?? {})) known[name] = at(result.output, path);
    delete result.output?.$response;
    process.stdout.write(JSON.stringify({ id: step.id, ...told(result) }) + "\n");
  }
};

main();
