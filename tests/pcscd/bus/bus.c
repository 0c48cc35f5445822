/* A USB bus for a pcscd of the tests: preloaded, it takes the place of libudev.
 *
 * Each datagram that arrives at the socket KF_USB_SOCKET is an event of a device:
 *
 *     add NAME SERIAL PORT        remove NAME SERIAL PORT
 *
 * NAME is that of the interface in sysfs, PORT the TCP port at which `reader.c` waits for cards. What
 * pcscd looks for below its directory of drivers, which is compiled in, is found in KF_USB_DRIVERS.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"

#define DRIVERS "/usr/lib/pcsc/drivers"

enum { PORTS = 65536, LINE_MAX_ = 256 };

static atomic_bool plugged[PORTS];

int bus_has(int port)
{
    return port > 0 && port < PORTS && plugged[port];
}

/* ------------------------------------------------------------------ the directory of drivers */

static const char *moved(const char *path, char *into, size_t room)
{
    size_t length = strlen(DRIVERS);
    const char *drivers = getenv("KF_USB_DRIVERS");
    if (path == NULL || drivers == NULL || strncmp(path, DRIVERS, length) != 0)
        return path;
    snprintf(into, room, "%s%s", drivers, path + length);
    return into;
}

DIR *opendir(const char *path)
{
    char into[4096];
    DIR *(*real)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
    return real(moved(path, into, sizeof into));
}

FILE *fopen(const char *path, const char *mode)
{
    char into[4096];
    FILE *(*real)(const char *, const char *) =
        (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
    return real(moved(path, into, sizeof into), mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

void *dlopen(const char *path, int flags)
{
    char into[4096];
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return real(moved(path, into, sizeof into), flags);
}

/* ------------------------------------------------------------------ libudev, as far as pcscd has it */

typedef struct {
    char action[16];
    char name[64];
    char serial[64];
    char node[64];
} device;

static int bus = -1;
static char something; /* whatever is only ever passed back */

void *udev_new(void)
{
    return &something;
}

void *udev_unref(void *udev)
{
    (void)udev;
    return NULL;
}

void *udev_enumerate_new(void *udev)
{
    return udev;
}

void *udev_enumerate_unref(void *list)
{
    (void)list;
    return NULL;
}

int udev_enumerate_add_match_subsystem(void *list, const char *subsystem)
{
    (void)list;
    (void)subsystem;
    return 0;
}

int udev_enumerate_scan_devices(void *list)
{
    (void)list;
    return 0;
}

/* Nothing is there before it is plugged in. */
void *udev_enumerate_get_list_entry(void *list)
{
    (void)list;
    return NULL;
}

void *udev_list_entry_get_next(void *entry)
{
    (void)entry;
    return NULL;
}

const char *udev_list_entry_get_name(void *entry)
{
    (void)entry;
    return NULL;
}

void *udev_device_new_from_syspath(void *udev, const char *path)
{
    (void)udev;
    (void)path;
    return NULL;
}

void *udev_monitor_new_from_netlink(void *udev, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("KF_USB_SOCKET");
    (void)udev;
    (void)name;
    if (path == NULL || strlen(path) >= sizeof address.sun_path)
        return NULL;
    strcpy(address.sun_path, path);
    unlink(path);
    bus = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return bind(bus, (struct sockaddr *)&address, sizeof address) == 0 ? &bus : NULL;
}

int udev_monitor_filter_add_match_subsystem_devtype(void *monitor, const char *subsystem,
                                                    const char *type)
{
    (void)monitor;
    (void)subsystem;
    (void)type;
    return 0;
}

int udev_monitor_enable_receiving(void *monitor)
{
    (void)monitor;
    return 0;
}

int udev_monitor_get_fd(void *monitor)
{
    return *(int *)monitor;
}

void *udev_monitor_receive_device(void *monitor)
{
    char line[LINE_MAX_];
    int port;
    ssize_t got = recv(*(int *)monitor, line, sizeof line - 1, 0);
    device *one = calloc(1, sizeof *one);
    if (one == NULL || got <= 0) {
        free(one);
        return NULL;
    }
    line[got] = '\0';
    if (sscanf(line, "%15s %63s %63s %d", one->action, one->name, one->serial, &port) != 4 ||
        port <= 0 || port >= PORTS) {
        free(one);
        return NULL;
    }
    snprintf(one->node, sizeof one->node, "/dev/bus/usb/001/%d", port);
    /* Before pcscd takes the reader away, as a cable does. */
    plugged[port] = strcmp(one->action, "add") == 0;
    return one;
}

void *udev_device_unref(void *one)
{
    free(one);
    return NULL;
}

/* The device of an interface; it is not counted, as libudev has it. */
void *udev_device_get_parent_with_subsystem_devtype(void *one, const char *subsystem,
                                                    const char *type)
{
    (void)subsystem;
    (void)type;
    return one;
}

const char *udev_device_get_action(void *one)
{
    return ((device *)one)->action;
}

const char *udev_device_get_sysname(void *one)
{
    return ((device *)one)->name;
}

const char *udev_device_get_devnode(void *one)
{
    return ((device *)one)->node;
}

const char *udev_device_get_sysattr_value(void *one, const char *name)
{
    if (strcmp(name, "idVendor") == 0 || strcmp(name, "idProduct") == 0)
        return "0001";
    if (strcmp(name, "bInterfaceNumber") == 0)
        return "00";
    return strcmp(name, "serial") == 0 ? ((device *)one)->serial : NULL;
}
