/* The configuration: {"containers": DIR, "certificates": DIR, "state": FILE, "keys": FILE,
 * "kvn": NUMBER}. Relative paths are relative to the working directory. */
#ifndef KF_PROVIDER_SETTINGS_H
#define KF_PROVIDER_SETTINGS_H

#include "container.h"

/* What the settings name, opened; settings_close closes what is not -1. */
typedef struct {
    int containers;
    int journal;
    shared_files shared;
} opened_settings;

/* KFP_E_CONFIG with the key in the sentence; then nothing stays open. */
int32_t settings_open(const char *config, uint32_t size, opened_settings *opened);
void settings_close(opened_settings *opened);

#endif
