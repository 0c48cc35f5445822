/* A driver of pcscd for readers of `bus.c`: the card's side is vpcd's protocol, at a TCP port.
 *
 * vpcd's own driver cannot be used here: pcscd loads a driver once for all readers on USB, and vpcd
 * keeps its connections by slot alone. See ifdhandler.h of pcsc-lite for what is asked of a driver.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <ifdhandler.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"

enum {
    READERS = 16, /* of pcsc-lite */
    LOOK_MS = 20, /* how late a transmission learns that the cable was pulled */
    ANSWER_MAX = 65538,
    GET_ATR = 4
};

typedef struct {
    int used;
    int port;
    int listening;
    int card;
    size_t atr_length;
    unsigned char atr[MAX_ATR_SIZE];
} reader;

static reader readers[READERS];

static reader *reader_of(DWORD lun)
{
    DWORD index = lun >> 16;
    return index < READERS && readers[index].used ? &readers[index] : NULL;
}

static void lose_card(reader *one)
{
    if (one->card >= 0)
        close(one->card);
    one->card = -1;
    one->atr_length = 0;
}

/* Whether there is something to read; not when the cable is pulled or the card has gone. */
static int wait_readable(reader *one)
{
    struct pollfd seen = {.fd = one->card, .events = POLLIN};
    while (bus_has(one->port)) {
        int ready = poll(&seen, 1, LOOK_MS);
        if (ready != 0 && !(ready < 0 && errno == EINTR))
            return ready > 0;
    }
    return 0;
}

static int receive_all(reader *one, unsigned char *into, size_t length)
{
    size_t done = 0;
    int quick = 1;
    while (done < length) {
        if (!wait_readable(one))
            return 0;
        ssize_t got = recv(one->card, into + done, length - done, 0);
        if (got <= 0)
            return 0;
        done += (size_t)got;
        setsockopt(one->card, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof quick);
    }
    return 1;
}

static int send_message(reader *one, const unsigned char *message, size_t length)
{
    unsigned char frame[2 + ANSWER_MAX];
    if (length > 0xFFFF)
        return 0;
    frame[0] = (unsigned char)(length >> 8);
    frame[1] = (unsigned char)length;
    memcpy(frame + 2, message, length);
    return send(one->card, frame, length + 2, MSG_NOSIGNAL) == (ssize_t)(length + 2);
}

/* The length of the answer, or -1. */
static long receive_message(reader *one, unsigned char *into, size_t room)
{
    unsigned char head[2];
    if (!receive_all(one, head, sizeof head))
        return -1;
    size_t length = (size_t)head[0] << 8 | head[1];
    return length <= room && receive_all(one, into, length) ? (long)length : -1;
}

static int ask_atr(reader *one)
{
    unsigned char question = GET_ATR, answer[ANSWER_MAX];
    long length = -1;
    if (send_message(one, &question, 1))
        length = receive_message(one, answer, sizeof answer);
    if (length <= 0 || length > MAX_ATR_SIZE) {
        lose_card(one);
        return 0;
    }
    memcpy(one->atr, answer, (size_t)length);
    one->atr_length = (size_t)length;
    return 1;
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name)
{
    const char *number = strrchr(name, '/');
    struct sockaddr_in address = {.sin_family = AF_INET};
    int again = 1;
    DWORD index = lun >> 16;
    if (number == NULL || index >= READERS)
        return IFD_COMMUNICATION_ERROR;
    reader *one = &readers[index];
    *one = (reader){.used = 1, .port = atoi(number + 1), .card = -1};
    address.sin_port = htons((uint16_t)one->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(one->listening, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (bind(one->listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(one->listening, 1) != 0) {
        close(one->listening);
        one->used = 0;
        return IFD_COMMUNICATION_ERROR;
    }
    return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel)
{
    (void)lun;
    (void)channel;
    return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHCloseChannel(DWORD lun)
{
    reader *one = reader_of(lun);
    if (one == NULL)
        return IFD_NO_SUCH_DEVICE;
    lose_card(one);
    close(one->listening);
    one->used = 0;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
    reader *one = reader_of(lun);
    if (one == NULL)
        return IFD_NO_SUCH_DEVICE;
    switch (tag) {
    case TAG_IFD_ATR:
        if (*length < one->atr_length)
            return IFD_ERROR_INSUFFICIENT_BUFFER;
        memcpy(value, one->atr, one->atr_length);
        *length = one->atr_length;
        return IFD_SUCCESS;
    case TAG_IFD_SLOTS_NUMBER:
    case TAG_IFD_THREAD_SAFE:
    case TAG_IFD_SLOT_THREAD_SAFE:
        *value = 1;
        break;
    case TAG_IFD_SIMULTANEOUS_ACCESS:
        *value = READERS;
        break;
    default:
        return IFD_ERROR_TAG;
    }
    *length = 1;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value)
{
    (void)lun;
    (void)tag;
    (void)length;
    (void)value;
    return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1,
                                       UCHAR pts2, UCHAR pts3)
{
    (void)protocol;
    (void)flags;
    (void)pts1;
    (void)pts2;
    (void)pts3;
    return reader_of(lun) != NULL ? IFD_SUCCESS : IFD_NO_SUCH_DEVICE;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length)
{
    static const unsigned char OFF = 0, ON = 1, RESET = 2;
    reader *one = reader_of(lun);
    if (one == NULL)
        return IFD_NO_SUCH_DEVICE;
    const unsigned char *control = action == IFD_POWER_DOWN ? &OFF
                                   : action == IFD_RESET    ? &RESET
                                                            : &ON;
    *length = 0;
    if (one->card < 0 || !send_message(one, control, 1))
        return action == IFD_POWER_DOWN ? IFD_SUCCESS : IFD_ERROR_POWER_ACTION;
    if (action == IFD_POWER_DOWN)
        return IFD_SUCCESS;
    if (!ask_atr(one))
        return IFD_ERROR_POWER_ACTION;
    memcpy(atr, one->atr, one->atr_length);
    *length = one->atr_length;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER sent, PUCHAR command, DWORD length,
                               PUCHAR answer, PDWORD answer_length, PSCARD_IO_HEADER received)
{
    reader *one = reader_of(lun);
    (void)sent;
    (void)received;
    long got = -1;
    if (one != NULL && one->card >= 0 && send_message(one, command, length))
        got = receive_message(one, answer, *answer_length);
    *answer_length = got < 0 ? 0 : (DWORD)got;
    return got < 0 ? IFD_COMMUNICATION_ERROR : IFD_SUCCESS;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR command, DWORD length, PUCHAR answer,
                         DWORD room, LPDWORD got)
{
    (void)lun;
    (void)code;
    (void)command;
    (void)length;
    (void)answer;
    (void)room;
    *got = 0;
    return IFD_ERROR_NOT_SUPPORTED;
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
    reader *one = reader_of(lun);
    if (one == NULL || !bus_has(one->port))
        return IFD_NO_SUCH_DEVICE;
    if (one->card < 0)
        one->card = accept4(one->listening, NULL, NULL, SOCK_CLOEXEC);
    if (one->card < 0)
        return IFD_ICC_NOT_PRESENT;
    return ask_atr(one) ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}
