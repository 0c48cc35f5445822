/* What the driver asks the bus. */

#ifndef KF_TESTS_BUS_H
#define KF_TESTS_BUS_H

/* Whether the reader that listens at this TCP port is plugged in; from any thread. */
int bus_has(int port);

#endif
