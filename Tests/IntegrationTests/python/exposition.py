"""Reads a page of metrics with Prometheus' own Python library, and prints its samples as JSON.

usage: exposition.py FILE

Exits with 1 if the page is not what Prometheus wants: a name without a type or help, the same
sample twice, a histogram whose buckets do not ascend to its count.
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families


def main(path):
    with open(path, encoding="utf-8") as file:
        families = list(text_string_to_metric_families(file.read()))
    samples = {}
    for family in families:
        if family.type == "unknown" or not family.documentation:
            sys.exit(f"{family.name} has no type or no help")
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}"
            if key in samples:
                sys.exit(f"{key} is there twice")
            samples[key] = sample.value
        if family.type == "histogram":
            check_histogram(family)
    print(json.dumps(samples))


def check_histogram(family):
    series = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        part = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if sample.name.endswith("_bucket"):
            part["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            part[sample.name.rpartition("_")[2]] = sample.value
    for labels, part in series.items():
        bounds = [bound for bound, _ in part["buckets"]]
        counts = [count for _, count in part["buckets"]]
        is_right = bounds == sorted(set(bounds)) and counts == sorted(counts)
        if not is_right or bounds[-1] != float("inf") or counts[-1] != part["count"]:
            sys.exit(f"{family.name} {labels} is no histogram: {part}")
        if part["count"] == 0 and part["sum"] != 0:
            sys.exit(f"{family.name} {labels} has a sum of nothing")


if __name__ == "__main__":
    main(sys.argv[1])
