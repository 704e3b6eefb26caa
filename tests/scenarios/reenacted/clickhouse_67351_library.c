// A client library that closes its connection when it breaks, and again when it is done away with.
#include <sys/socket.h>
#include <unistd.h>

static int connection;

void client_connect(void) { connection = socket(AF_UNIX, SOCK_STREAM, 0); }  // @connected
static void drop(void) { close(connection); }                                // @dropped
void client_error(void) { drop(); }
void client_destroy(void) { drop(); }                                        // @destroyed
