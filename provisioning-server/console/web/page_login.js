import { post } from "./api.js";
import { el } from "./dom.js";
import { t } from "./text.js";
import { alertBox, button, field } from "./widgets.js";

/// `done` is called when the server has accepted the token, or to see whether it accepts the certificate of the connection;
/// it fails with what the server says.
export function loginPage(sentence, done) {
  const error = el("div", {});
  const submit = button(t("login.do"), undefined, { type: "submit", kind: "primary" });
  const form = el(
    "form",
    {
      on: {
        submit: async (event) => {
          event.preventDefault();
          submit.disabled = true;
          try {
            await post("/login", { token: form.elements.token.value.trim() });
            await done();
          } catch (problem) {
            error.replaceChildren(alertBox(problem.message));
            form.elements.token.value = "";
            form.elements.token.focus();
          } finally {
            submit.disabled = false;
          }
        },
      },
    },
    field({
      name: "token",
      label: t("login.token"),
      type: "password",
      autocomplete: "current-password",
      autofocus: true,
      required: true,
      hint: t("login.token_hint"),
    }),
    error,
    submit,
  );
  const certificateButton = button(t("login.with_certificate"), async () => {
    try {
      await done();
    } catch (problem) {
      error.replaceChildren(alertBox(problem.message));
    }
  });
  return el(
    "div",
    { class: "login card" },
    el("h1", {}, t("login.title")),
    sentence && el("p", { class: "notice", role: "status" }, sentence),
    form,
    el("p", { class: "hint" }, t("login.certificate")),
    certificateButton,
  );
}
