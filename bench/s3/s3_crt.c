/* SPDX-License-Identifier: MIT */
/* The same with Amazon's own C client, aws-c-s3, as it is set up by default: parts of 8 MB, as many connections as are
 * asked for. See speed.h. */
#include "speed.h"

#include <aws/auth/credentials.h>
#include <aws/common/condition_variable.h>
#include <aws/common/mutex.h>
#include <aws/http/request_response.h>
#include <aws/io/channel_bootstrap.h>
#include <aws/io/event_loop.h>
#include <aws/io/host_resolver.h>
#include <aws/io/stream.h>
#include <aws/io/tls_channel_handler.h>
#include <aws/io/uri.h>
#include <aws/s3/s3.h>
#include <aws/s3/s3_client.h>

struct job {
    int64_t from; /* of a range; else 0 */
};

static struct speed speed;
static struct aws_allocator *allocator;
static struct aws_s3_client *client;
static struct aws_uri endpoint;
static struct {
    struct aws_mutex mutex;
    struct aws_condition_variable changed;
    int64_t started, ended, total, requests;
    int error_code, status;
    bool is_client_gone;
} state = {.mutex = AWS_MUTEX_INIT, .changed = AWS_CONDITION_VARIABLE_INIT};

static void start_next(void);

static int take(struct aws_s3_meta_request *request, const struct aws_byte_cursor *body, uint64_t from, void *context) {
    (void)request, (void)context;
    memcpy(speed.buffer + from, body->ptr, body->len);
    return AWS_OP_SUCCESS;
}

static void count_request(struct aws_s3_meta_request *request, struct aws_s3_request_metrics *metrics, void *context) {
    (void)request, (void)metrics, (void)context;
    aws_mutex_lock(&state.mutex);
    state.requests++;
    aws_mutex_unlock(&state.mutex);
}

static void end(struct aws_s3_meta_request *request, const struct aws_s3_meta_request_result *result, void *context) {
    (void)request;
    free(context);
    aws_mutex_lock(&state.mutex);
    if (result->error_code && !state.error_code) {
        state.error_code = result->error_code;
        state.status = result->response_status;
    }
    state.ended++;
    bool has_more = state.started < state.total && !state.error_code;
    aws_condition_variable_notify_one(&state.changed);
    aws_mutex_unlock(&state.mutex);
    if (has_more) start_next();
}

static void add_header(struct aws_http_message *message, const char *name, const char *value) {
    struct aws_http_header header = {.name = aws_byte_cursor_from_c_str(name),
                                     .value = aws_byte_cursor_from_c_str(value)};
    aws_http_message_add_header(message, header);
}

static void start_next(void) {
    struct job *job = calloc(1, sizeof *job);
    struct aws_http_message *message = aws_http_message_new_request(allocator);
    struct aws_input_stream *stream = NULL;
    bool is_write = speed_is(&speed, "write");
    char text[512];
    aws_mutex_lock(&state.mutex);
    int64_t number = state.started++;
    aws_mutex_unlock(&state.mutex);
    if (number >= state.total || !job || !message) {
        free(job);
        aws_http_message_release(message);
        return;
    }
    const struct aws_byte_cursor *authority = aws_uri_authority(&endpoint);
    snprintf(text, sizeof text, "%.*s", (int)authority->len, (const char *)authority->ptr);
    add_header(message, "Host", text);
    snprintf(text, sizeof text, "/%s/%s", speed.bucket, speed.key);
    aws_http_message_set_request_path(message, aws_byte_cursor_from_c_str(text));
    aws_http_message_set_request_method(message, is_write ? aws_http_method_put : aws_http_method_get);
    if (is_write) {
        struct aws_byte_cursor bytes = aws_byte_cursor_from_array(speed.buffer, (size_t)speed.size);
        stream = aws_input_stream_new_from_cursor(allocator, &bytes);
        aws_http_message_set_body_stream(message, stream);
        snprintf(text, sizeof text, "%lld", (long long)speed.size);
        add_header(message, "Content-Length", text);
    } else if (speed_is(&speed, "read")) {
        job->from = speed_place(&speed, number);
        snprintf(text, sizeof text, "bytes=%lld-%lld", (long long)job->from, (long long)(job->from + speed.bytes - 1));
        add_header(message, "Range", text);
    }
    struct aws_s3_meta_request_options options = {
        .type = is_write ? AWS_S3_META_REQUEST_TYPE_PUT_OBJECT : AWS_S3_META_REQUEST_TYPE_GET_OBJECT,
        .message = message,
        .endpoint = &endpoint,
        .body_callback = is_write ? NULL : take,
        .telemetry_callback = count_request,
        .finish_callback = end,
        .user_data = job,
    };
    struct aws_s3_meta_request *request = aws_s3_client_make_meta_request(client, &options);
    if (!request) {
        aws_mutex_lock(&state.mutex);
        state.error_code = aws_last_error();
        state.ended++;
        aws_condition_variable_notify_one(&state.changed);
        aws_mutex_unlock(&state.mutex);
    }
    aws_s3_meta_request_release(request);
    aws_http_message_release(message);
    aws_input_stream_release(stream);
}

static bool is_over(void *context) {
    (void)context;
    return state.ended == state.total || (state.error_code && state.ended == state.started);
}

static bool is_client_gone(void *context) {
    (void)context;
    return state.is_client_gone;
}

static void note_gone(void *context) {
    (void)context;
    aws_mutex_lock(&state.mutex);
    state.is_client_gone = true;
    aws_condition_variable_notify_one(&state.changed);
    aws_mutex_unlock(&state.mutex);
}

static bool run(void) {
    int64_t at_once = speed_is(&speed, "read") ? speed.parallel : 1;
    state.total = speed.count;
    for (int64_t i = 0; i < at_once && i < speed.count; i++) start_next();
    aws_mutex_lock(&state.mutex);
    aws_condition_variable_wait_pred(&state.changed, &state.mutex, is_over, NULL);
    aws_mutex_unlock(&state.mutex);
    if (state.error_code) {
        fprintf(stderr, "s3_crt: %s (status %d)\n", aws_error_str(state.error_code), state.status);
    }
    return !state.error_code;
}

static struct aws_tls_ctx *open_tls(void) {
    struct aws_tls_ctx_options options;
    aws_tls_ctx_options_init_default_client(&options, allocator);
    aws_tls_ctx_options_override_default_trust_store_from_path(&options, NULL, speed.ca_path);
    struct aws_tls_ctx *context = aws_tls_client_ctx_new(allocator, &options);
    aws_tls_ctx_options_clean_up(&options);
    return context;
}

int main(int argc, char **argv) {
    if (!speed_open(argc, argv, &speed)) return 2;
    allocator = aws_default_allocator();
    aws_s3_library_init(allocator);
    struct aws_byte_cursor text = aws_byte_cursor_from_c_str(speed.endpoint);
    aws_uri_init_parse(&endpoint, allocator, &text);
    struct aws_event_loop_group *loops = aws_event_loop_group_new_default(allocator, 0, NULL);
    struct aws_host_resolver_default_options resolving = {.el_group = loops, .max_entries = 8};
    struct aws_host_resolver *resolver = aws_host_resolver_new_default(allocator, &resolving);
    struct aws_client_bootstrap_options booting = {.event_loop_group = loops, .host_resolver = resolver};
    struct aws_client_bootstrap *bootstrap = aws_client_bootstrap_new(allocator, &booting);
    struct aws_credentials_provider_static_options keys = {
        .access_key_id = aws_byte_cursor_from_c_str(getenv("AWS_ACCESS_KEY_ID")),
        .secret_access_key = aws_byte_cursor_from_c_str(getenv("AWS_SECRET_ACCESS_KEY")),
    };
    struct aws_credentials_provider *provider = aws_credentials_provider_new_static(allocator, &keys);
    struct aws_signing_config_aws signing;
    aws_s3_init_default_signing_config(&signing, aws_byte_cursor_from_c_str("us-east-1"), provider);
    struct aws_tls_ctx *tls = NULL;
    struct aws_tls_connection_options tls_options;
    struct aws_s3_client_config config = {
        .region = aws_byte_cursor_from_c_str("us-east-1"),
        .client_bootstrap = bootstrap,
        .signing_config = &signing,
        .tls_mode = *speed.ca_path ? AWS_MR_TLS_ENABLED : AWS_MR_TLS_DISABLED,
        .part_size = SPEED_PART_BYTES,
        .max_active_connections_override = (uint32_t)speed.parallel,
        .shutdown_callback = note_gone,
    };
    if (*speed.ca_path) {
        tls = open_tls();
        aws_tls_connection_options_init_from_ctx(&tls_options, tls);
        config.tls_connection_options = &tls_options;
    }
    client = aws_s3_client_new(allocator, &config);
    speed_begin(&speed);
    int status = run() ? speed_end(&speed, state.requests) : 1;
    aws_s3_client_release(client);
    aws_mutex_lock(&state.mutex);
    aws_condition_variable_wait_pred(&state.changed, &state.mutex, is_client_gone, NULL);
    aws_mutex_unlock(&state.mutex);
    if (tls) {
        aws_tls_connection_options_clean_up(&tls_options);
        aws_tls_ctx_release(tls);
    }
    aws_credentials_provider_release(provider);
    aws_client_bootstrap_release(bootstrap);
    aws_host_resolver_release(resolver);
    aws_event_loop_group_release(loops);
    aws_uri_clean_up(&endpoint);
    aws_s3_library_clean_up();
    free(speed.buffer);
    return status;
}
