#include "mount/cli.h"

int main(int argc, char** argv) {
  return silt::mount::RunCommandLine(argc, argv);
}
