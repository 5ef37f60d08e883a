#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "key-user-api/socket_place/socket_place.h"
#include "tests/key-user-api/pkcs11_client/scripted_daemon.h"

/// Stands for sksd: --for-store FOLDER listens, detaches, and ends soon. Spec: spec/sksd.md 1.
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ofstream(std::getenv("SKS_TEST_STARTS"), std::ios::app) << argv[1] << " " << argv[2] << "\n";
  if (std::getenv("SKS_TEST_FAIL") != nullptr) return 1;
  const sks::SocketPlaceOrProblem place = sks::socket_of_store(argv[2]);
  if (!place.place) return 3;
  std::filesystem::create_directories(std::filesystem::path(place.place->socket).parent_path());
  int ready[2] = {};
  if (::pipe(ready) != 0) return 4;
  const pid_t child = ::fork();
  if (child < 0) return 5;
  if (child > 0) {
    char byte = 0;
    ::close(ready[1]);
    return ::read(ready[0], &byte, 1) == 1 ? 0 : 6;
  }
  const sks::test::ScriptedDaemon daemon(place.place->socket);
  for (const int standard : {0, 1, 2}) ::close(standard);
  if (::write(ready[1], "r", 1) != 1) return 7;
  ::close(ready[1]);
  ::sleep(5);
  return 0;
}
