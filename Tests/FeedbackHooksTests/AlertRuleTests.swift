import FeedbackModel
import Testing

@Suite("alert rules")
struct AlertRuleTests {
    @Test("a row is told once, when it is as long as asked for")
    func rows() {
        let rule = AlertRule(name: "r", condition: .inARow(3))
        #expect(!rule.isMet(by: [.down, .down]))
        #expect(rule.isMet(by: [.down, .down, .down]))
        #expect(rule.isMet(by: [.down, .down, .down, .up]))
        #expect(!rule.isMet(by: [.down, .down, .down, .down]))
        #expect(!rule.isMet(by: [.down, .up, .down, .down]))
        #expect(rule.historyLength == 4)
    }

    @Test("a share is told when it passes the value, and not while it stays above")
    func shares() {
        let rule = AlertRule(name: "r", condition: .share(ofLast: 4, above: 0.5))
        #expect(!rule.isMet(by: [.down, .down, .down]), "too few to have a share")
        #expect(!rule.isMet(by: [.down, .down, .up, .up]), "half is not above half")
        #expect(rule.isMet(by: [.down, .down, .down, .up]))
        #expect(rule.isMet(by: [.down, .down, .down, .up, .up]))
        #expect(!rule.isMet(by: [.down, .down, .down, .up, .down]))
        #expect(rule.isMet(by: [.down, .up, .down, .down, .down]), "nothing was told of it yet")
        #expect(!rule.isMet(by: [.down, .up, .down, .down, .down, .up]))
        #expect(rule.historyLength == 8)
    }

    @Test("every feedback of several ratings")
    func every() {
        let rule = AlertRule(name: "r", ratings: [.down, .none])
        #expect(rule.isMet(by: []))
        #expect(rule.historyLength == 0)
    }
}
