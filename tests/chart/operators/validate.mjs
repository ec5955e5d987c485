// Reads resources as JSON from standard input, and says what is wrong with each that it knows.
import { readFileSync } from "node:fs";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { PodMonitor, PrometheusRule, ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const known = { ScaledObject, PodMonitor, PrometheusRule, ServiceMonitor };
const problems = [];
for (const thing of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new known[thing.kind](thing).validate();
  } catch (error) {
    problems.push(`${thing.kind}: ${error.message}`);
  }
}
console.log(JSON.stringify(problems));
