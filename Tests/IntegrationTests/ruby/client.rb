# Calls every method of feedbackd with gRPC's Ruby library, and checks the replies.
#
#   ruby -I GENERATED client.rb SOCKET
#
# Exits with 0 when all was as the API promises. Otherwise it prints what was expected and what
# came, and exits with 1.

require 'grpc'
require 'feedback/v1/feedback_services_pb'
require 'feedback/v1/session_services_pb'

include Feedback::V1

# No call takes that long; it only turns a server that never answers into a failure.
CALL_TIMEOUT = 30

def expect(what, want, got)
  abort "client.rb: #{what}: expected #{want.inspect}, got #{got.inspect}" unless want == got
end

def connect(service, socket)
  service::Stub.new("unix:#{socket}", :this_channel_is_insecure, timeout: CALL_TIMEOUT)
end

def add(service)
  request = AddFeedbackRequest.new(
    session_id: 'ruby', rating: :RATING_UP, comment: 'Kürzer, bitte 👩‍👩‍👧',
    request_id: 'request-1', message_id: 'message-1', agent_id: 'agent-1',
    author: Author.new(source: :AUTHOR_SOURCE_HUMAN, id: 'user-1'),
    tags: %w[tone length], attributes: { 'locale' => 'de-AT' }
  )
  reply = service.add_feedback(request)
  got = reply.feedback
  expect('length of the id', 36, got.feedback_id.size)
  feedback = FeedbackMessage.new(
    feedback_id: got.feedback_id, session_id: request.session_id, rating: request.rating,
    comment: request.comment, created_at: got.created_at, updated_at: got.created_at,
    message_id: request.message_id, agent_id: request.agent_id, author: request.author,
    tags: request.tags.to_a, attributes: request.attributes.to_h
  )
  expect('add', AddFeedbackResponse.new(feedback: feedback), reply)
  again = AddFeedbackResponse.new(feedback: feedback, replayed: true)
  expect('add again', again, service.add_feedback(request))
  feedback
end

def list(service, feedback)
  request = ListFeedbacksRequest.new(session_id: 'ruby', ratings: [:RATING_UP], has_comment: true)
  want = ListFeedbacksResponse.new(feedbacks: [feedback], total_size: 1)
  expect('list', want, service.list_feedbacks(request))
end

def measure(service)
  request = GetMetricsRequest.new(session_id: 'ruby', group_by: :GROUP_BY_SESSION)
  metrics = Metrics.new(
    total: 1, positive: 1, average_comment_length: 19, satisfaction_rate: 100, approval_rate: 100
  )
  groups = [MetricsGroup.new(key: 'ruby', metrics: metrics)]
  want = GetMetricsResponse.new(metrics: metrics, groups: groups)
  expect('metrics', want, service.get_metrics(request))
end

def change_metadata(service)
  variant = Google::Protobuf::Value.new(string_value: 'b')
  weight = Google::Protobuf::Value.new(number_value: 0.25)
  both = Google::Protobuf::Struct.new(fields: { 'variant' => variant, 'weight' => weight })
  one = Google::Protobuf::Struct.new(fields: { 'weight' => weight })

  update = UpdateMetadataRequest.new(session_id: 'ruby', metadata: both)
  expect('update', both, service.update_metadata(update).metadata)
  get = GetMetadataRequest.new(session_id: 'ruby')
  expect('get', both, service.get_metadata(get).metadata)
  delete = DeleteMetadataRequest.new(session_id: 'ruby', keys: ['variant'])
  expect('delete', one, service.delete_metadata(delete).metadata)
end

def receive_an_error(service)
  service.add_feedback(AddFeedbackRequest.new)
  abort 'client.rb: add without a session: expected an error, got a reply'
rescue GRPC::InvalidArgument => e
  expect('field in the message', 'session_id', e.details[0, 10])
  details = e.metadata['grpc-status-details-bin'].to_s
  expect('details', true, details.include?('google.rpc.BadRequest'))
end

abort 'usage: client.rb SOCKET' unless ARGV.size == 1
# The message has the name of the module.
FeedbackMessage = Feedback::V1::Feedback
feedback_service = connect(FeedbackService, ARGV[0])
session_service = connect(SessionService, ARGV[0])
added = add(feedback_service)
list(feedback_service, added)
measure(feedback_service)
change_metadata(session_service)
receive_an_error(feedback_service)
