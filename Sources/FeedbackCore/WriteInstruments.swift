package import CoreMetrics
package import Dispatch

/// What is recorded of the writes of all queues together; nil if nobody collects it.
package struct WriteInstruments: Sendable {
    /// How many writes wait.
    package let queueLength = Meter(label: InstrumentName.writeQueueLength.rawValue)
    private let batchSize = Recorder(label: InstrumentName.writeBatchSize.rawValue)
    private let writeTime = Timer(label: InstrumentName.writeTime.rawValue)

    package init?() {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
    }

    /// Records a commit that has just ended.
    package func recordBatch(of count: Int, since begin: DispatchTime) {
        let end = DispatchTime.now()
        batchSize.record(count)
        writeTime.recordNanoseconds(end.uptimeNanoseconds - begin.uptimeNanoseconds)
    }
}
