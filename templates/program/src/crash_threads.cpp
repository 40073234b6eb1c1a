// Every thread that this program's own code starts begins here, whoever wrote that code: the linker puts
// __wrap_pthread_create in the place of pthread_create (CMakeLists.txt).

#include <pthread.h>

#include <cerrno>
#include <new>

#include "crash.hpp"

extern "C" {

int __real_pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*work)(void*), void* with);

struct EdgepackThread {
  void* (*work)(void*);
  void* with;
};

static void* edgepack_thread(void* given) {
  const EdgepackThread begun = *static_cast<EdgepackThread*>(given);
  delete static_cast<EdgepackThread*>(given);
  edgepack::program::ready_crash_stack();
  return begun.work(begun.with);
}

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*work)(void*), void* with) {
  auto* const given = new (std::nothrow) EdgepackThread{work, with};
  if (given == nullptr) return EAGAIN;
  const int problem = __real_pthread_create(thread, how, edgepack_thread, given);
  if (problem != 0) delete given;
  return problem;
}

}  // extern "C"
