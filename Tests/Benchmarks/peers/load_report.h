// The common parts of the load programs: reading their options, a histogram of latencies, and the
// report in JSON. For C and C++.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// MARK: Options

struct option {
    const char *name;
    // The default; NULL if the option must be given.
    const char *value;
};

// Fills in the values; ends the process if an option is unknown, incomplete or missing.
static inline void read_options(int argc, char **argv, struct option *options, int count) {
    for (int argument = 1; argument < argc; argument += 2) {
        int index = 0;
        while (index < count && strcmp(options[index].name, argv[argument]) != 0) index++;
        if (index == count || argument + 1 == argc) {
            const char *what = index == count ? "unknown option" : "no value for";
            fprintf(stderr, "%s: %s %s\n", argv[0], what, argv[argument]);
            exit(64);
        }
        options[index].value = argv[argument + 1];
    }
    for (int index = 0; index < count; index++) {
        if (options[index].value) continue;
        fprintf(stderr, "%s: %s is missing\n", argv[0], options[index].name);
        exit(64);
    }
}

// Returns the value of an option in seconds, as nanoseconds.
static inline uint64_t seconds_option(const struct option *option) {
    return (uint64_t)(atof(option->value) * 1e9);
}

// MARK: Time

static inline uint64_t now_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// MARK: Latencies

// The steps are those of HDR histograms: each power of two is cut into 1,024 steps, so that a value
// is known to three digits.
enum { LATENCY_STEP_BITS = 10, LATENCY_STEPS = 32 << LATENCY_STEP_BITS };

struct latencies {
    uint64_t counts[LATENCY_STEPS];
    uint64_t total;
    uint64_t max;
    double sum;
};

static inline int latency_step(uint64_t nanoseconds) {
    int shift = 63 - __builtin_clzll(nanoseconds | 1) - LATENCY_STEP_BITS;
    if (shift < 0) shift = 0;
    int step = (shift << LATENCY_STEP_BITS) + (int)(nanoseconds >> shift);
    return step < LATENCY_STEPS ? step : LATENCY_STEPS - 1;
}

// Returns the largest latency that falls into the step.
static inline uint64_t latency_of_step(int step) {
    int shift = (step >> LATENCY_STEP_BITS) - 1;
    if (shift < 0) shift = 0;
    uint64_t mantissa = (uint64_t)(step - (shift << LATENCY_STEP_BITS));
    return ((mantissa + 1) << shift) - 1;
}

// Records the latency of `calls` calls that waited for the same thing.
static inline void record_latency(struct latencies *latencies, uint64_t nanoseconds,
                                  uint64_t calls) {
    latencies->counts[latency_step(nanoseconds)] += calls;
    latencies->total += calls;
    latencies->sum += (double)nanoseconds * (double)calls;
    if (nanoseconds > latencies->max) latencies->max = nanoseconds;
}

static inline void add_latencies(struct latencies *latencies, const struct latencies *others) {
    for (int step = 0; step < LATENCY_STEPS; step++) latencies->counts[step] += others->counts[step];
    latencies->total += others->total;
    latencies->sum += others->sum;
    if (others->max > latencies->max) latencies->max = others->max;
}

static inline uint64_t latency_at_percentile(const struct latencies *latencies, double percent) {
    uint64_t wanted = (uint64_t)(percent / 100 * (double)latencies->total + 0.5), seen = 0;
    for (int step = 0; step < LATENCY_STEPS; step++) {
        seen += latencies->counts[step];
        if (seen >= wanted && seen > 0) {
            uint64_t value = latency_of_step(step);
            return value < latencies->max ? value : latencies->max;
        }
    }
    return latencies->max;
}

// MARK: Report

struct load_report {
    // The latencies of the calls that succeeded; the report counts only these.
    const struct latencies *latencies;
    uint64_t errors;
    double seconds;
};

// Writes the report; `extra` holds further members of the JSON object, each after a comma.
static inline void write_report(const char *path, const struct load_report *report,
                                const char *extra) {
    static const double percents[] = {0,  10, 20,   30, 40,   50,    60,    70,
                                      80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100};
    const struct latencies *latencies = report->latencies;
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    fprintf(file, "{\"calls\": %llu, \"errors\": %llu, \"seconds\": %.6f, ",
            (unsigned long long)latencies->total, (unsigned long long)report->errors, report->seconds);
    fprintf(file, "\"calls_per_second\": %.1f,\n \"latency_ns\": {",
            (double)latencies->total / report->seconds);
    static const struct { const char *name; double percent; } summary[] = {
        {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}};
    for (size_t index = 0; index < sizeof summary / sizeof summary[0]; index++) {
        fprintf(file, "\"%s\": %llu, ", summary[index].name,
                (unsigned long long)latency_at_percentile(latencies, summary[index].percent));
    }
    fprintf(file, "\"max\": %llu, \"mean\": %.0f},\n \"percentiles\": [",
            (unsigned long long)latencies->max,
            latencies->total ? latencies->sum / (double)latencies->total : 0);
    for (size_t index = 0; index < sizeof percents / sizeof percents[0]; index++) {
        fprintf(file, "%s[%g, %llu]", index ? ", " : "", percents[index],
                (unsigned long long)latency_at_percentile(latencies, percents[index]));
    }
    fprintf(file, "]%s}\n", extra);
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}
