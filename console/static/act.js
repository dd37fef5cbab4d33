// The browser asks for what an act needs before anything is sent, so that nothing typed is lost.
"use strict";
for (const button of document.querySelectorAll("button[data-needs]")) {
  button.addEventListener("click", () => {
    const needs = button.dataset.needs.split(" ");
    for (const name of ["note", "until"]) {
      const field = button.form.elements[name];
      if (field) field.required = needs.includes(name);
    }
  });
}
for (const decision of document.querySelectorAll("select[name=decision]")) {
  const ask = () => { decision.form.elements.grade.required = decision.value === "adjust"; };
  decision.addEventListener("change", ask);
  ask();
}
