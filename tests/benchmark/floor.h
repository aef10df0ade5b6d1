/* The least that a C program can do, to compare the library with: it asks the system the same way, stops as early, and
 * asks for no more. */
#ifndef FLOOR_H
#define FLOOR_H
#ifdef __cplusplus
extern "C" {
#endif
/* The last process that listens on 127.0.0.1:port, after the facts of each one were read; 0 if there is none. */
int floor_probe(unsigned short port);
/* True if a socket listens there. */
int floor_held(unsigned short port);
/* A listener on 127.0.0.1:port, after SIGTERM to its holder and a wait for the exit; -1 if that was not enough. */
int floor_recover(unsigned short port);
#ifdef __cplusplus
}
#endif
#endif
