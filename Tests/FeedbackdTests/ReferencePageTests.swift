import Foundation
import Testing

@testable import feedbackd

@Suite("the reference page")
struct ReferencePageTests {
    @Test("its tables have every setting as it is declared")
    func tables() throws {
        let page = try ReferencePage()
        let renewed = try #require(page.renewed, "a table's place is missing")
        if ProcessInfo.processInfo.environment["FEEDBACKD_WRITE_DOCS"] == "1" {
            try Data(renewed.utf8).write(to: URL(fileURLWithPath: ReferencePage.path))
            return
        }
        let isCurrent = page.text == renewed
        #expect(
            isCurrent,
            """
            docs/CONFIGURATION.md is not what the settings' declarations say; write it with \
            FEEDBACKD_WRITE_DOCS=1 swift test --filter ReferencePageTests
            """
        )
    }
}
