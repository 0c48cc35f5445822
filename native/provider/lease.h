/* The life of one lease, with the pool's lock held. */
#ifndef KF_PROVIDER_LEASE_H
#define KF_PROVIDER_LEASE_H

#include "container.h"

/* Content for this unit, on disk as its own before it returns. KFP_E_SPACE, with the sizes that
 * are needed, writes down nothing. */
int32_t lease_take(content_pool *pool, const shared_files *shared, container_scratch *scratch,
                   const char *unit, kf_lease_v1 *lease);

/* outcome and touched are among those of kf_provider.h. Told again, both do nothing. */
int32_t lease_commit(content_pool *pool, const char *lease_id, uint32_t outcome);
int32_t lease_abort(content_pool *pool, const char *lease_id, uint32_t touched);

#endif
