public import CoreMetrics
public import Dispatch

/// The metrics of the writes of all queues together; nil if no metrics system is installed.
@usableFromInline
struct WriteInstruments: Sendable {
    /// The number of writes that wait for a batch.
    @usableFromInline let queueLength = Meter(label: CoreInstrument.writeQueueLength.rawValue)
    private let batchSize = Recorder(label: CoreInstrument.writeBatchSize.rawValue)
    private let writeTime = Timer(label: CoreInstrument.writeTime.rawValue)

    @usableFromInline
    init?() {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
    }

    /// Records a commit that has just ended.
    @usableFromInline
    func recordBatch(of count: Int, since begin: DispatchTime) {
        let end = DispatchTime.now()
        batchSize.record(count)
        writeTime.recordNanoseconds(end.uptimeNanoseconds - begin.uptimeNanoseconds)
    }
}
