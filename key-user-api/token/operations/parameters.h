#pragma once

#include "key-user-api/token/operations/mechanisms.h"
#include "key-user-api/token/outcome.h"

/// The parameters of mechanisms. Spec: the last table of spec/sksd.md 7.
namespace sks::token {

/// A parameter that has been checked, in the form in which the key store takes it.
struct Parameter {
  const Hash* hash = nullptr;  ///< pss, oaep
  const Hash* mgf = nullptr;   ///< pss, oaep
  std::size_t number = 0;      ///< pss: bytes of salt; gcm: bytes of the tag; mac_length: bytes of the MAC
  Bytes sks;                   ///< `parameters` of the user methods; spec/sks-extensions.md, Algorithms

  std::size_t size() const { return sks.size(); }  ///< bytes of the application in it
};

/// Of every shape but Shape::agreement. Fails with CKR_MECHANISM_PARAM_INVALID.
Outcome<Parameter> read_parameter(const Mechanism& mechanism, ByteView parameter);

/// The parameter of ECDH. Views into what was read.
struct AgreementParameter {
  const Hash* kdf = nullptr;  ///< null: CKD_NULL
  ByteView shared_data;
  ByteView public_data;
};
/// Fails with CKR_MECHANISM_PARAM_INVALID.
Outcome<AgreementParameter> read_agreement_parameter(ByteView parameter);

/// The label in Parameter::sks of RSA_PKCS_OAEP.
ByteView oaep_label(const Parameter& parameter);

}  // namespace sks::token
