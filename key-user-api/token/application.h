#pragma once

#include <memory>

#include "key-user-api/token/service.h"

namespace sks::token {

/// The running operations of one application. Defined where they are served: key-user-api/token/operations.
class OperationSet;

/// Never null. What it returns is destroyed with its application, when no request of it is served any more.
std::shared_ptr<OperationSet> make_operation_set();

class Application {
 public:
  Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application();

  OperationSet& operations() const { return *operations_; }

 private:
  std::shared_ptr<OperationSet> operations_;
};

}  // namespace sks::token
