// Shows what calls fail with, and how a program tells the reasons apart.
//
//   errors SOCKET

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "feedback/v1/feedback.grpc.pb.h"
#include "feedback/v1/session.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace {

// The fields at fault, with INVALID_ARGUMENT.
std::vector<google::rpc::BadRequest::FieldViolation> Violations(const grpc::Status& status) {
  std::vector<google::rpc::BadRequest::FieldViolation> found;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return found;
  for (const auto& detail : details.details()) {
    google::rpc::BadRequest request;
    if (detail.UnpackTo(&request)) {
      found.insert(found.end(), request.field_violations().begin(),
                   request.field_violations().end());
    }
  }
  return found;
}

// A context lives for one call.
std::unique_ptr<grpc::ClientContext> Within(std::chrono::microseconds timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + timeout);
  return context;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: errors SOCKET" << std::endl;
    return 64;
  }
  const auto timeout = std::chrono::seconds(10);
  const auto address = std::string("unix:") + argv[1];
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto feedback = feedback::v1::FeedbackService::NewStub(channel);
  const auto session = feedback::v1::SessionService::NewStub(channel);
  feedback::v1::AddFeedbackRequest add;
  feedback::v1::AddFeedbackResponse added;

  // A field that breaks its rule: nothing is stored, and the error names the field.
  add.set_session_id("user-123");
  add.set_comment(std::string(10'001, 'x'));
  grpc::Status status = feedback->AddFeedback(Within(timeout).get(), add, &added);
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    for (const auto& violation : Violations(status)) {
      std::cout << violation.field() << " " << violation.description() << std::endl;
    }
  }

  // A session that nobody has written to.
  feedback::v1::GetMetadataRequest get;
  get.set_session_id("nobody");
  feedback::v1::GetMetadataResponse metadata;
  status = session->GetMetadata(Within(timeout).get(), get, &metadata);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    std::cout << "no such session" << std::endl;
  }

  // A deadline that has passed already.
  add.set_comment("");
  status = feedback->AddFeedback(Within(-timeout).get(), add, &added);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    std::cout << "too late" << std::endl;
  }

  // No daemon.
  const auto away = feedback::v1::FeedbackService::NewStub(
      grpc::CreateChannel(address + ".away", grpc::InsecureChannelCredentials()));
  status = away->AddFeedback(Within(timeout).get(), add, &added);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    std::cout << "the daemon is away: keep the feedback and its request_id, and try later"
              << std::endl;
  }
}
