import CoreMetrics
import Dispatch
import PrometheusMetrics
import Testing

@Suite("Prometheus' page")
struct PageTests {
    private let metrics = PrometheusMetrics(help: ["calls_total": "Calls\nof \\all kinds."])

    private func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
        Counter(label: label, dimensions: dimensions, factory: metrics)
    }

    @Test func counters_have_their_labels_and_help() {
        counter("calls_total", [("method", "Add"), ("code", "OK")]).increment(by: 3)
        counter("calls_total", [("method", "Add"), ("code", "NOT_FOUND")]).increment()
        counter("plain_total").increment()
        #expect(
            metrics.page == """
                # HELP calls_total Calls\\nof \\\\all kinds.
                # TYPE calls_total counter
                calls_total{method="Add",code="NOT_FOUND"} 1
                calls_total{method="Add",code="OK"} 3
                # TYPE plain_total counter
                plain_total 1

                """
        )
    }

    @Test func the_same_name_and_labels_are_the_same_instrument() {
        for _ in 0..<2 { counter("calls_total", [("a", "b")]).increment() }
        #expect(metrics.page.contains("calls_total{a=\"b\"} 2\n"))
    }

    @Test func label_values_are_escaped_and_names_made_valid() {
        counter("9 calls/s", [("a b", "x\"y\\z\nü")]).increment()
        #expect(
            metrics.page == "# TYPE __calls_s counter\n__calls_s{a_b=\"x\\\"y\\\\z\\nü\"} 1\n"
        )
    }

    @Test func gauges_go_up_and_down_and_are_set() {
        let gauge = Meter(label: "open", factory: metrics)
        gauge.set(5)
        gauge.increment()
        gauge.decrement(by: 2.5)
        #expect(metrics.page == "# TYPE open gauge\nopen 3.5\n")
        gauge.set(0)
        #expect(metrics.page == "# TYPE open gauge\nopen 0\n")
    }

    @Test func timers_are_histograms_in_seconds() {
        let timer = Timer(label: "t_seconds", dimensions: [("m", "x")], factory: metrics)
        for nanoseconds in [1, 10_000, 10_001, 2_000_000_000, 60_000_000_000] {
            timer.recordNanoseconds(nanoseconds)
        }
        let lines = metrics.page.split(separator: "\n")
        #expect(lines.count == 1 + 20 + 2)
        #expect(lines[0] == "# TYPE t_seconds histogram")
        #expect(lines[1] == #"t_seconds_bucket{m="x",le="1e-05"} 2"#)
        #expect(lines[2] == #"t_seconds_bucket{m="x",le="2.5e-05"} 3"#)
        #expect(lines[17] == #"t_seconds_bucket{m="x",le="2.5"} 4"#)
        #expect(lines[19] == #"t_seconds_bucket{m="x",le="10"} 4"#)
        #expect(lines[20] == #"t_seconds_bucket{m="x",le="+Inf"} 5"#)
        #expect(lines[21] == #"t_seconds_sum{m="x"} 62.000020002"#)
        #expect(lines[22] == #"t_seconds_count{m="x"} 5"#)
    }

    @Test func recorders_are_histograms_of_sizes_or_gauges() {
        let sizes = Recorder(label: "size", factory: metrics)
        for size in [1, 2, 3, 1_000_000] { sizes.record(size) }
        Recorder(label: "last", aggregate: false, factory: metrics).record(7)
        #expect(metrics.page.contains("size_bucket{le=\"2\"} 2\nsize_bucket{le=\"4\"} 3\n"))
        #expect(metrics.page.contains("size_bucket{le=\"16384\"} 3\nsize_bucket{le=\"+Inf\"} 4\n"))
        #expect(metrics.page.contains("size_sum 1000006\nsize_count 4\n"))
        #expect(metrics.page.contains("# TYPE last gauge\nlast 7\n"))
    }

    @Test func sets_of_labels_beyond_the_limit_are_counted_together() {
        for number in 0..<PrometheusMetrics.seriesPerNameMax + 5 {
            counter("calls_total", [("session", "\(number)")]).increment()
        }
        let lines = metrics.page.split(separator: "\n")
        #expect(lines.count == 2 + PrometheusMetrics.seriesPerNameMax + 1)
        #expect(lines.contains(#"calls_total{overflow="true"} 5"#))
        // The series that existed before are still counted separately.
        counter("calls_total", [("session", "7")]).increment()
        #expect(metrics.page.contains(#"calls_total{session="7"} 2"#))
    }

    @Test func another_kind_under_a_known_name_does_not_spoil_the_page() {
        counter("name").increment()
        Meter(label: "name", factory: metrics).set(9)
        #expect(metrics.page == "# TYPE name counter\nname 1\n")
    }

    @Test func nothing_is_lost_when_many_threads_record() {
        let counter = counter("calls_total")
        let gauge = Meter(label: "open", factory: metrics)
        let timer = Timer(label: "t_seconds", factory: metrics)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<50_000 {
                counter.increment()
                gauge.increment()
                gauge.decrement()
                timer.recordNanoseconds(1_000_000_000)
            }
        }
        #expect(metrics.page.contains("calls_total 400000\n"))
        #expect(metrics.page.contains("open 0\n"))
        #expect(metrics.page.contains("t_seconds_sum 400000\nt_seconds_count 400000\n"))
    }
}
