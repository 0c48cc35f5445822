/* The reference provider, hard of hearing: what it does with an end stands in a file.
 *
 * KF_DEAF names a directory. Its file "mode" says what commit and abort do:
 *     crash         the process dies before the end is heard
 *     crash-after   it is heard, and then the process dies before the answer is
 *     away          "unavailable"
 *     refuse        "no such lease"
 * and without that file they are heard. Each end that is heard adds a line to "heard".
 * The reference's own entry is renamed where it is compiled (see broken.c). */
#define _DEFAULT_SOURCE

#include "kf_provider.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int32_t KF_CALL reference_entry(uint32_t host_abi, const kf_host_v1 *host,
                                const kf_provider_v1 **provider);

static const kf_provider_v1 *reference;
static kf_provider_v1 table;

static int file(const char *name, int flags) {
    char path[4096];
    const char *directory = getenv("KF_DEAF");
    if (directory == NULL ||
        snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) {
        return -1;
    }
    return open(path, flags, 0600);
}

static int in_mode(const char *mode) {
    char text[32] = {0};
    int descriptor = file("mode", O_RDONLY);
    if (descriptor < 0) {
        return 0;
    }
    ssize_t size = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    return size > 0 && strcmp(text, mode) == 0;
}

static void heard(const char *what, const char *lease_id) {
    char line[256];
    int descriptor = file("heard", O_WRONLY | O_CREAT | O_APPEND);
    int size = snprintf(line, sizeof line, "%s %s\n", what, lease_id);
    if (descriptor < 0 || write(descriptor, line, (size_t)size) != size) {
        abort();
    }
    close(descriptor);
}

static void die(void) {
    *(volatile char *)8 = 0;
}

/* What becomes of an end before it is heard; KFP_OK when it is. */
static int32_t before(void) {
    if (in_mode("crash")) {
        die();
    }
    return in_mode("away") ? KFP_E_UNAVAILABLE : in_mode("refuse") ? KFP_E_LEASE : KFP_OK;
}

static int32_t after(const char *what, const char *lease_id, int32_t result) {
    if (result == KFP_OK) {
        heard(what, lease_id);
    }
    if (in_mode("crash-after")) {
        die();
    }
    return result;
}

static int32_t KF_CALL deaf_commit(kf_provider_ctx *ctx, const char *lease_id,
                                   const kf_end_v1 *end, uint32_t deadline_ms) {
    int32_t result = before();
    if (result != KFP_OK) {
        return result;
    }
    return after("commit", lease_id, reference->commit(ctx, lease_id, end, deadline_ms));
}

static int32_t KF_CALL deaf_abort(kf_provider_ctx *ctx, const char *lease_id,
                                  const kf_end_v1 *end, uint32_t deadline_ms) {
    int32_t result = before();
    if (result != KFP_OK) {
        return result;
    }
    return after("abort", lease_id, reference->abort(ctx, lease_id, end, deadline_ms));
}

KF_EXPORT int32_t KF_CALL kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                                            const kf_provider_v1 **provider) {
    int32_t result = reference_entry(host_abi, host, &reference);
    if (result == KFP_OK) {
        table = *reference;
        table.commit = deaf_commit;
        table.abort = deaf_abort;
        *provider = &table;
    }
    return result;
}
