import FeedbackModel

/// The name of a collection of sessions, and of its database.
struct CollectionName: Sendable {
    let database: String
    let collection: String

    /// Makes a name.
    ///
    /// - Throws: INVALID_ARGUMENT for names that MongoDB refuses (manual, "Naming Restrictions").
    init(database: String, collection: String) throws {
        if database.isEmpty || database.utf8.count > 63
            || database.contains(where: { "/\\. \"$*<>:|?\0".contains($0) })
        {
            throw CallError(
                .invalidArgument,
                "the MongoDB database's name must be 1 to 63 bytes without blanks and "
                    + "any of / \\ . \" $ * < > : | ?"
            )
        }
        let bytes = database.utf8.count + 1 + collection.utf8.count
        if collection.isEmpty || bytes > 255 || collection.hasPrefix("system.")
            || collection.hasPrefix(".") || collection.hasSuffix(".")
            || collection.contains(where: { "$\0".contains($0) })
        {
            throw CallError(
                .invalidArgument,
                "the MongoDB collection's name must not be empty, have a $, begin or end with a "
                    + "dot, or begin with system., and with the database's name and a dot it must "
                    + "be at most 255 bytes"
            )
        }
        self.database = database
        self.collection = collection
    }
}
