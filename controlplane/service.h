/* SPDX-License-Identifier: BSD-3-Clause */
/* What the service manager is told (sd_notify(3)); nothing happens when there is none. */
#pragma once

/* `status` is what systemctl status shows. */
void service_ready(const char *status);
void service_reloading(void);
void service_stopping(void);

/* Feeds the watchdog; to be called only while everything works. */
void service_alive(const char *status);
