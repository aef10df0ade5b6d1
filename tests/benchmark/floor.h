/* The least that a C program can do with the same system calls, to compare the library with. */
#ifndef FLOOR_H
#define FLOOR_H
#ifdef __cplusplus
extern "C" {
#endif
/* The process that listens on 127.0.0.1:port, with the facts of it read; 0 if there is none. */
int floor_probe(unsigned short port);
/* Whether anybody listens there. */
int floor_held(unsigned short port);
/* A listener on 127.0.0.1:port; who holds it is asked to leave, and waited for. -1 if that did not do. */
int floor_recover(unsigned short port);
#ifdef __cplusplus
}
#endif
#endif
