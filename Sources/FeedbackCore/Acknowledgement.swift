/// The moment at which a store with a journal beside it answers adds and updates of metadata.
public enum Acknowledgement: String, Sendable, CaseIterable {
    /// They are answered when a majority of the store's servers has them.
    case majority
    /// They are answered when the journal has them; the store may be away.
    case local
}
