// Calls every method of feedbackd with gRPC's C++ library, and checks the replies.
//
//   cpp-client SOCKET
//
// Exits with 0 when all was as the API promises. Otherwise it prints what was expected and what
// came, and exits with 1.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "feedback/v1/feedback.grpc.pb.h"
#include "feedback/v1/session.grpc.pb.h"

namespace {

using feedback::v1::FeedbackService;
using feedback::v1::SessionService;

// No call takes that long; it only turns a server that never answers into a failure.
constexpr std::chrono::seconds kCallTimeout(30);

void Expect(const std::string& what, const std::string& want, const std::string& got) {
  if (want != got) {
    throw std::runtime_error(what + ": expected " + want + ", got " + got);
  }
}

// The store is empty at the start, so that the sessions need no unique names.
class Client {
 public:
  explicit Client(const std::shared_ptr<grpc::Channel>& channel)
      : feedback_(FeedbackService::NewStub(channel)), session_(SessionService::NewStub(channel)) {}

  void AddFeedback() {
    feedback::v1::AddFeedbackRequest request;
    request.set_session_id("cpp");
    request.set_rating(feedback::v1::RATING_DOWN);
    request.set_comment("Zu lang. „Kürzer“, bitte 👩‍👩‍👧");
    request.set_request_id("request-1");
    request.set_message_id("message-1");
    request.set_agent_id("agent-1");
    request.mutable_author()->set_source(feedback::v1::AUTHOR_SOURCE_MODEL);
    request.mutable_author()->set_id("judge-1");
    request.add_tags("too-long");
    request.add_tags("tone");
    (*request.mutable_attributes())["locale"] = "de-AT";

    feedback::v1::AddFeedbackResponse reply, want;
    Call(feedback_.get(), &FeedbackService::Stub::AddFeedback, request, &reply);
    added_ = reply.feedback();
    Expect("length of the id", "36", std::to_string(added_.feedback_id().size()));
    auto* feedback = want.mutable_feedback();
    feedback->set_feedback_id(added_.feedback_id());
    feedback->set_session_id(request.session_id());
    feedback->set_rating(request.rating());
    feedback->set_comment(request.comment());
    *feedback->mutable_created_at() = added_.created_at();
    *feedback->mutable_updated_at() = added_.created_at();
    feedback->set_message_id(request.message_id());
    feedback->set_agent_id(request.agent_id());
    *feedback->mutable_author() = request.author();
    *feedback->mutable_tags() = request.tags();
    *feedback->mutable_attributes() = request.attributes();
    Expect("add", want.ShortDebugString(), reply.ShortDebugString());

    Call(feedback_.get(), &FeedbackService::Stub::AddFeedback, request, &reply);
    want.set_replayed(true);
    Expect("add again", want.ShortDebugString(), reply.ShortDebugString());
  }

  void ListFeedbacks() {
    feedback::v1::ListFeedbacksRequest request;
    request.set_session_id("cpp");
    request.add_ratings(feedback::v1::RATING_DOWN);
    request.set_has_comment(true);
    feedback::v1::ListFeedbacksResponse reply, want;
    Call(feedback_.get(), &FeedbackService::Stub::ListFeedbacks, request, &reply);
    *want.add_feedbacks() = added_;
    want.set_total_size(1);
    Expect("list", want.ShortDebugString(), reply.ShortDebugString());
  }

  void GetMetrics() {
    feedback::v1::GetMetricsRequest request;
    request.set_session_id("cpp");
    request.set_group_by(feedback::v1::GROUP_BY_SESSION);
    feedback::v1::GetMetricsResponse reply, want;
    Call(feedback_.get(), &FeedbackService::Stub::GetMetrics, request, &reply);
    want.mutable_metrics()->set_total(1);
    want.mutable_metrics()->set_negative(1);
    want.mutable_metrics()->set_average_comment_length(30);
    auto* group = want.add_groups();
    group->set_key("cpp");
    *group->mutable_metrics() = want.metrics();
    Expect("metrics", want.ShortDebugString(), reply.ShortDebugString());
  }

  void ChangeMetadata() {
    feedback::v1::UpdateMetadataRequest update;
    update.set_session_id("cpp");
    auto& fields = *update.mutable_metadata()->mutable_fields();
    fields["variant"].set_string_value("b");
    fields["weight"].set_number_value(0.25);
    feedback::v1::UpdateMetadataResponse updated;
    Call(session_.get(), &SessionService::Stub::UpdateMetadata, update, &updated);
    ExpectMetadata("update", {"variant", "weight"}, updated.metadata());

    feedback::v1::GetMetadataRequest get;
    get.set_session_id("cpp");
    feedback::v1::GetMetadataResponse got;
    Call(session_.get(), &SessionService::Stub::GetMetadata, get, &got);
    ExpectMetadata("get", {"variant", "weight"}, got.metadata());
    Expect("variant", "b", got.metadata().fields().at("variant").string_value());

    feedback::v1::DeleteMetadataRequest remove;
    remove.set_session_id("cpp");
    remove.add_keys("variant");
    feedback::v1::DeleteMetadataResponse removed;
    Call(session_.get(), &SessionService::Stub::DeleteMetadata, remove, &removed);
    ExpectMetadata("delete", {"weight"}, removed.metadata());
  }

  void ReceiveAnError() {
    feedback::v1::AddFeedbackResponse reply;
    grpc::ClientContext context;
    const auto status = feedback_->AddFeedback(&context, {}, &reply);
    const auto code = std::to_string(grpc::StatusCode::INVALID_ARGUMENT);
    Expect("code without a session", code, std::to_string(status.error_code()));
    Expect("field in the message", "session_id", status.error_message().substr(0, 10));
    const auto found = status.error_details().find("google.rpc.BadRequest");
    Expect("details", "true", found == std::string::npos ? "false" : "true");
  }

 private:
  template <typename Stub, typename Method, typename Request, typename Reply>
  void Call(Stub* stub, Method method, const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    const grpc::Status status = (stub->*method)(&context, request, reply);
    if (!status.ok()) {
      throw std::runtime_error(Request::descriptor()->name() + ": expected a reply, got code " +
                               std::to_string(status.error_code()) + ": " +
                               status.error_message());
    }
  }

  static void ExpectMetadata(const std::string& what, const std::vector<std::string>& keys,
                             const google::protobuf::Struct& metadata) {
    Expect(what + ": keys", std::to_string(keys.size()), std::to_string(metadata.fields_size()));
    for (const auto& key : keys) {
      Expect(what + ": " + key, "1", std::to_string(metadata.fields().count(key)));
    }
  }

  std::unique_ptr<FeedbackService::Stub> feedback_;
  std::unique_ptr<SessionService::Stub> session_;
  feedback::v1::Feedback added_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: cpp-client SOCKET" << std::endl;
    return 64;
  }
  const auto address = std::string("unix:") + argv[1];
  Client client(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  try {
    client.AddFeedback();
    client.ListFeedbacks();
    client.GetMetrics();
    client.ChangeMetadata();
    client.ReceiveAnError();
  } catch (const std::exception& error) {
    std::cerr << "cpp-client: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
