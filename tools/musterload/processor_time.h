/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Seconds of a processor that a process has had, in user and system mode, all its threads together;
 * to a tick of 10 ms. 0 for process 0 and for one that isn't there.
 *
 * Source: proc_pid_stat(5).
 */
double processor_time(int pid);
