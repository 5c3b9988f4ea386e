// The password, asked for where the studio is open to other computers.

const at = (id) => document.getElementById(id);

function wrong(text) {
  at("wrong").textContent = text;
  at("wrong").hidden = false;
  document.body.dataset.state = "refused";
}

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("wrong").hidden = true;
  document.body.dataset.state = "asking";
  const request = { method: "POST", headers: { "content-type": "application/json" } };
  try {
    const answer = await fetch("api/login", { ...request, body: JSON.stringify({ password: at("password").value }) });
    if (answer.ok) {
      document.body.dataset.state = "in";
      location.replace("./");
      return;
    }
    const { problem, remedy } = await answer.json();
    const sentences = [problem, remedy].filter(Boolean);
    wrong(sentences.map((text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`).join(" "));
  } catch {
    wrong("The studio does not answer. Is it still running?");
  }
  at("password").select();
});

at("password").focus();
